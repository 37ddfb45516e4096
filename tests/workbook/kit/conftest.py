"""Prints the table of mutants at the end of the test run."""


def pytest_terminal_summary(terminalreporter):
    from tests.workbook.kit.test_mutants import OUTCOMES

    if not OUTCOMES:
        return
    terminalreporter.section("mutation tests of the checkers")
    killed = total = 0
    for name, outcomes in OUTCOMES.items():
        dead = sum(ok for _, ok in outcomes)
        killed, total = killed + dead, total + len(outcomes)
        terminalreporter.write_line(f"{name:26s} {dead:3d} of {len(outcomes):3d} mutants killed")
    terminalreporter.write_line(f"{'all':26s} {killed:3d} of {total:3d} ({killed / total:.0%})")
