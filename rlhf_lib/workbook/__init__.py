"""The workbook: what all chapters are made of (`kit`), and one folder a chapter; `contents` finds them."""
