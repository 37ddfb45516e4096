"""A second right answer to each exercise of chapter 09, written another way."""

import torch


def their_render(messages, add_generation_prompt):
    pieces = []
    for message in messages:
        pieces += ["<|im_start|>", message["role"], "\n", message["content"], "<|im_end|>", "\n"]
    if add_generation_prompt:
        pieces += ["<|im_start|>", "assistant", "\n"]
    return "".join(pieces)


def their_prompt_mask(token_ids, prompt_lengths, lengths, pad):
    mask = torch.zeros(token_ids.shape, dtype=torch.float64)
    for row, (first, stop) in enumerate(zip(prompt_lengths, lengths, strict=True)):
        mask[row, first:stop] = 1.0
    return mask[:, 1:]


def their_assistant_mask(token_ids, start, end, assistant):
    mask, inside, after = [], False, 0
    ids = token_ids.tolist()
    for place, token in enumerate(ids):
        if token == start:
            inside, after = ids[place + 1] == assistant, 3
        mask.append(float(inside and after <= 0))
        after -= 1
        if token == end:
            inside = False
    return torch.tensor(mask, dtype=torch.float64)


def their_token_mean(losses, masks):
    counts = masks.sum((1, 2))
    means = (losses * masks).sum((1, 2)) / counts
    return (means * counts / counts.sum()).sum()


def their_attention(documents):
    places = range(len(documents))
    rows = [[float(documents[i] == documents[j] and j <= i) for j in places] for i in places]
    return torch.tensor(rows, dtype=torch.float64)


def their_fine_tuning(policy, batches, held_out, learning_rate):
    optimizer, losses = torch.optim.SGD(policy.parameters(), lr=learning_rate), []

    def mean(parts):
        sums = [(policy.logprobs(p, ids) * mask).sum() for p, ids, mask in parts]
        return -sum(sums) / sum(mask.sum() for _, _, mask in parts)

    for parts in batches:
        loss = mean(parts)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        return losses, mean(held_out).item()


OTHERS = {
    "my_render_chat": their_render,
    "my_prompt_mask": their_prompt_mask,
    "my_assistant_mask": their_assistant_mask,
    "my_token_mean": their_token_mean,
    "my_packed_attention": their_attention,
    "my_fine_tuning": their_fine_tuning,
}
