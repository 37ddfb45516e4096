"""`Policy`: a language model with its tokenizer, seen as something that answers prompts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import torch
from torch import Tensor

from ..runtime import get_device
from .adapters import drop_adapters, has_adapters, merge_adapters, reference_model, save_adapter
from .chat import ChatFormat, as_messages, find_end_tokens, find_pad_token
from .folders import replacing, write_json
from .modes import forward_passes
from .ragged import completion_states
from .rollout import Rollout
from .sampling import sample
from .token_scores import token_scores
from .turns import Reply, own_turns, own_turns_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from .decoder import Decoder
    from .transformers_model import TransformersModel


class Policy:
    """model, tokenizer and device under one name.

    A prompt is a `world.Prompt` (anything with `.messages`), a string (one user turn), or a list of
    messages {"role": ..., "content": ...}.

    template_arguments: for the chat template, such as {"enable_thinking": False} or {"tools": [...]}.
    generation: what generation_config.json says besides, kept for `save`.
    source: the folder or Hub id whose weights these are; None where they are of no folder.
    end_tokens: all that end an answer; the first, `end_token`, is written after answers in training.
    """

    def __init__(
        self,
        model: Decoder | TransformersModel,
        tokenizer: PreTrainedTokenizerBase,
        name: str = "policy",
        device: torch.device | str | None = None,
        template_arguments: dict | None = None,
        generation: dict | None = None,
        source: str | None = None,
    ) -> None:
        self.device = torch.device(device) if device is not None else get_device()
        self.model = model.to(self.device)
        self.tokenizer = tokenizer
        self.name = name
        self.chat = ChatFormat(tokenizer, template_arguments)
        self.generation, self.source = dict(generation or {}), source
        size, named = vocabulary_size(model), named_end_tokens(model, self.generation)
        self.end_tokens = find_end_tokens(tokenizer, self.chat, named, size)
        self.pad_token = find_pad_token(tokenizer, self.end_token, size)
        for field, token in self._special_tokens().items():
            setattr(model.config, field, token)

    @property
    def end_token(self) -> int:
        """The token that is written after an answer in training."""
        return self.end_tokens[0]

    @end_token.setter
    def end_token(self, token: int) -> None:
        self.end_tokens = (token,)

    def _special_tokens(self) -> dict[str, int | list[int]]:
        """The ids that every tool looks for in a checkpoint's configuration."""
        ends = self.end_token if len(self.end_tokens) == 1 else list(self.end_tokens)
        found = {"eos_token_id": ends, "pad_token_id": self.pad_token}
        begin = self.tokenizer.bos_token_id
        return found if begin is None else {"bos_token_id": begin, **found}

    def prompt_ids(self, prompt) -> list[int]:
        """The token ids of one prompt in the chat template, ready for the assistant's turn.

        Raises:
            ValueError: messages that the template cannot write, or a token that the model does not have.
        """
        ids = self.chat.prompt_ids(prompt)
        size = vocabulary_size(self.model)
        if max(ids) >= size:
            raise ValueError(
                f"the tokenizer makes token {max(ids)}, but the model has {size}: they do not belong "
                "together, or the model's embedding has to be resized"
            )
        return ids

    def encode(self, prompts: Sequence) -> tuple[Tensor, Tensor]:
        """Left-padded token ids (B, P) and attention mask (B, P).

        Raises:
            ValueError: no prompts, or one that is longer than the model's positions.
        """
        if len(prompts) == 0:
            raise ValueError("prompts must hold at least one prompt")
        rows = [self.prompt_ids(prompt) for prompt in prompts]
        width = max(map(len, rows))
        self.check_length(width, "the longest prompt")
        ids = [[self.pad_token] * (width - len(row)) + row for row in rows]
        mask = [[0.0] * (width - len(row)) + [1.0] * len(row) for row in rows]
        return torch.tensor(ids, device=self.device), torch.tensor(mask, device=self.device)

    def sample(
        self,
        prompts: Sequence,
        samples_per_prompt: int = 1,
        max_new_tokens: int = 48,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        min_p: float | None = None,
        reply: Reply | None = None,
        budget: int | None = None,
        max_replies: int = 8,
    ) -> Rollout:
        """Draw answers; arguments as in `sampling.sample`. Rows i*G .. i*G+G-1 answer prompt i.

        With a `reply` (see `replies`, and `turns.Reply` for one of token ids) a completion may hold several
        turns: `loss_mask` is 0 on what was put in, and `texts` are the policy's own turns, a line each.
        """
        token_ids, attention_mask = self.encode(prompts)
        longest = token_ids.shape[1] + max_new_tokens
        self.check_length(longest, "the longest prompt and max_new_tokens together")
        drawn = sample(
            self.model,
            token_ids,
            attention_mask,
            samples_per_prompt=samples_per_prompt,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            end_token=self.end_tokens,
            pad_token=self.pad_token,
            seed=seed,
            reply=reply,
            budget=budget,
            max_replies=max_replies,
        )
        ids, mask = (
            torch.cat((prompt.repeat_interleave(samples_per_prompt, 0), completion), 1)
            for prompt, completion in (
                (token_ids, drawn.completion_ids),
                (attention_mask, drawn.completion_mask),
            )
        )
        return Rollout(
            prompts=[prompt for prompt in prompts for _ in range(samples_per_prompt)],
            token_ids=ids,
            attention_mask=mask,
            prompt_length=token_ids.shape[1],
            completion_mask=drawn.completion_mask,
            logp=drawn.logp,
            sampler_logp=drawn.sampler_logp,
            texts=self._own_texts(drawn.completion_ids, drawn.loss_mask, reply is not None),
            finished=drawn.finished,
            loss_mask=drawn.loss_mask,
            tokenizer=self.tokenizer,
        )

    def _own_texts(self, ids: Tensor, own: Tensor, several: bool) -> list[str]:
        """What the policy wrote itself of completions (B, T), its turns on lines of their own."""
        if not several:
            return self.decode(ids)
        return [self._lines(turns) for turns in own_turns(ids, own)]

    def _lines(self, turns: list[list[int]]) -> str:
        return "\n".join(self.tokenizer.batch_decode(turns, skip_special_tokens=True))

    def replies(self, answer: Callable[[str], str | None], role: str = "tool") -> Reply:
        """A `reply` for `sample` that reads a turn's text and answers with a message of `role`, or None.

        Only the answer is tokenised: the ids that the policy drew stay as they are.
        """

        def reply(row: int, turn: list[int]) -> list[int] | None:
            text = answer(self._text(turn, skip_special_tokens=True))
            return None if text is None else self.next_turn_ids({"role": role, "content": text})

        return reply

    def next_turn_ids(self, message: dict) -> list[int]:
        """What the chat template puts between an answer's end token and the next answer: this message.

        Raises:
            ValueError: a template that does not write an answer before such a message as it stands.
        """
        request, answer = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}
        before = self.prompt_ids([request]) + self.tokenizer.encode("b", add_special_tokens=False)
        ids = self.prompt_ids([request, answer, message])
        if ids[: len(before)] != before:
            raise ValueError(
                f"the chat template rewrites an answer that a message of {message['role']!r} follows, "
                "so the message cannot be put behind tokens that are there already"
            )
        after = ids[len(before) :]
        return after[1:] if after and after[0] in self.end_tokens else after

    def decode(self, token_ids: Tensor) -> list[str]:
        """Rows of token ids (B, T) -> texts, without special tokens."""
        return self.tokenizer.batch_decode(token_ids.tolist(), skip_special_tokens=True)

    def encode_completions(
        self, prompts: Sequence, texts: Sequence[str], finished: bool | Sequence[bool] = True
    ) -> Rollout:
        """Given answers as a `Rollout` (log-probabilities are left 0): for SFT, reward models, DPO.

        finished: whether the end token follows each text (one that ends in such a token gets no second);
            of all, or of each.

        Raises:
            ValueError: `prompts` and `texts` differ in length, or are too long for the model.
        """
        if len(prompts) != len(texts):
            raise ValueError(f"prompts and texts differ in length: {len(prompts)}, {len(texts)}")
        ended = [finished] * len(texts) if isinstance(finished, bool) else finished
        rows = self.answer_ids(texts, finished=False)
        rows = [self._ended(row) if end else row for row, end in zip(rows, ended, strict=True)]
        return self._given(prompts, rows, [[1.0] * len(row) for row in rows], texts)

    def encode_conversations(self, conversations: Sequence, train_on: str = "all") -> Rollout:
        """Whole conversations as a `Rollout`, its `loss_mask` on the assistant's turns: for multi-turn SFT.

        A conversation is a list of messages, or has them as `.messages`, and ends in an assistant's turn.
        Tokens are those that the policy would read and draw in it: no turn is tokenised otherwise.

        train_on: "all" of the assistant's turns, each with its end token, or the "last" one alone. The
            prompt is what stands before the first of these.

        Raises:
            ValueError: a conversation, by its number, that does not end in an answer, or whose turns the
                chat template writes in another way once others follow.
        """
        if train_on not in ("all", "last"):
            raise ValueError(f"train_on must be 'all' or 'last'; got {train_on!r}")
        prompts, rows, masks = [], [], []
        for number, conversation in enumerate(conversations):
            messages = as_messages(conversation)
            answers = [i for i, message in enumerate(messages) if message["role"] == "assistant"]
            if not answers or answers[0] == 0 or answers[-1] + 1 < len(messages):
                raise ValueError(
                    f"conversation {number} must begin with another's turn and end in an assistant's"
                )
            answers = answers if train_on == "all" else answers[-1:]
            row, own = self._turns_from(messages, answers, number)
            prompts.append(messages[: answers[0]])
            rows.append(row)
            masks.append(own)
        turns = [own_turns_of(row, own) for row, own in zip(rows, masks, strict=True)]
        return self._given(prompts, rows, masks, [self._lines(turn) for turn in turns])

    def _turns_from(
        self, messages: list[dict], answers: list[int], number: int
    ) -> tuple[list[int], list[float]]:
        """Token ids from the first of `answers` (places of messages) on, and 1.0 on those of answers."""
        so_far = self.prompt_ids(messages[: answers[0]])
        start, own = len(so_far), []
        for place in answers:
            opening = self.prompt_ids(messages[:place])
            if opening[: len(so_far)] != so_far:
                raise ValueError(
                    f"conversation {number}: the chat template rewrites earlier turns once message "
                    f"{place} follows, so they cannot be trained on as they were drawn: take "
                    "train_on='last'"
                )
            text = self.chat.answer(messages[: place + 1])
            answer = self._ended(self.tokenizer.encode(text, add_special_tokens=False))
            own += [0.0] * (len(opening) - len(so_far)) + [1.0] * len(answer)
            so_far = opening + answer
        return so_far[start:], own

    def _given(
        self,
        prompts: Sequence,
        rows: list[list[int]],
        own: list[list[float]],
        texts: Sequence[str],
    ) -> Rollout:
        """Completions of given ids after prompts; own: 1.0 on those that the policy itself (would have) written."""
        token_ids, attention_mask = self.encode(prompts)
        width = max([1, *map(len, rows)])
        self.check_length(token_ids.shape[1] + width, "the longest prompt with its answer")
        ids, mask, loss_mask = (
            torch.tensor([row + [fill] * (width - len(row)) for row in part], device=self.device)
            for part, fill in (
                (rows, self.pad_token),
                ([[1.0] * len(row) for row in rows], 0.0),
                (own, 0.0),
            )
        )
        return Rollout(
            prompts=list(prompts),
            token_ids=torch.cat((token_ids, ids), 1),
            attention_mask=torch.cat((attention_mask, mask), 1),
            prompt_length=token_ids.shape[1],
            completion_mask=mask,
            logp=torch.zeros_like(mask),
            sampler_logp=torch.zeros_like(mask),
            texts=list(texts),
            finished=torch.tensor(
                [bool(row) and row[-1] in self.end_tokens for row in rows], device=self.device
            ),
            loss_mask=loss_mask,
            tokenizer=self.tokenizer,
        )

    def answer_ids(self, texts: Sequence[str], finished: bool = True) -> list[list[int]]:
        """Token ids of given answers, the end token after each unless it is there already.

        Raises:
            ValueError: an answer that is no text.
        """
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise ValueError(f"answer {number} must be a text; got {text!r}")
        rows = self.tokenizer(list(texts), add_special_tokens=False).input_ids
        return [self._ended(row) if finished else row for row in rows]

    def _text(self, row: list[int], **options) -> str:
        """One row of token ids as text."""
        return str(self.tokenizer.decode(row, **options))

    def _ended(self, row: list[int]) -> list[int]:
        """Up to the end token; line breaks that a template put after it are left out."""
        stop = next((i for i, token in enumerate(row) if token in self.end_tokens), None)
        if stop is not None and not self._text(row[stop + 1 :]).strip():
            return row[: stop + 1]
        return [*row, self.end_token]

    def check_length(self, tokens: int, owner: str) -> None:
        """Raise a ValueError where `tokens`, the length of `owner`, are more than the model's positions."""
        positions = getattr(self.model.config, "max_position_embeddings", None)
        if positions is not None and tokens > positions:
            raise ValueError(
                f"{owner} have {tokens} tokens, but the model has {positions} positions: shorten them"
            )

    def completion_logits(self, rollout: Rollout) -> Tensor:
        """Logits (B, T, V) from which each completion token is predicted; at padding they mean nothing."""
        with forward_passes(self.model, self.device):
            return self.model.logits(completion_states(self.model, rollout, before=True)).float()

    @overload
    def logprobs(
        self, rollout: Rollout, temperature: float = 1.0, with_entropy: Literal[False] = False
    ) -> Tensor: ...

    @overload
    def logprobs(
        self, rollout: Rollout, temperature: float = 1.0, *, with_entropy: Literal[True]
    ) -> tuple[Tensor, Tensor]: ...

    def logprobs(
        self, rollout: Rollout, temperature: float = 1.0, with_entropy: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Log-probabilities (B, T) of the policy's own tokens (`loss_mask`), differentiable; else 0.

        with_entropy: also return the entropy (B, T), differentiable too, of the distribution that each
            was drawn from. Both in nats and float32, at this temperature.
        """
        own = rollout.loss_mask > 0  # the LM head sees these tokens alone
        with forward_passes(self.model, self.device):
            states = completion_states(self.model, rollout, before=True)[own]
            ids = rollout.completion_ids[own]
            logp, entropy = token_scores(self.model, states, ids, temperature, with_entropy)
        empty = torch.zeros(own.shape, device=own.device)
        placed = empty.masked_scatter(own, logp)
        return (placed, empty.masked_scatter(own, entropy)) if entropy is not None else placed

    def copy(self, frozen: bool = False) -> Policy:
        """A policy with weights of its own, of which those can be trained that can be here.

        frozen: none of them gets a gradient.
        """
        other = copy.copy(self)
        other.model = copy.deepcopy(self.model)
        if frozen:
            other.model.requires_grad_(False)
        return other

    def reference(self) -> Policy:
        """What this policy is compared with while it trains: itself as it is now, frozen.

        With a LoRA adapter it is the same model with the adapter switched off: no second copy.
        """
        if not has_adapters(self.model):
            return self.copy(frozen=True)
        other = copy.copy(self)
        other.model = cast(Any, reference_model(self.model))  # answers as the whole one does
        return other

    def merge(self) -> Policy:
        """Add a LoRA adapter into the weights, in place; returns the policy, now an ordinary one."""
        merge_adapters(self.model)
        self.source = None
        return self

    def save(self, folder: str | Path) -> None:
        """Write weights, config and tokenizer in the transformers layout, whole or not at all.

        A policy with a LoRA adapter is saved as peft does: the adapter, and the name of its base model
        (or, where that is of no folder, the base model in the folder 'base').
        """
        with replacing(folder) as part:
            self.write(part, Path(folder))

    def write(self, part: Path, folder: Path) -> None:
        """Write all files of a checkpoint into `part`, which is to become `folder`."""
        if has_adapters(self.model):
            base = self.source or str(folder.resolve() / "base")
            save_adapter(self, part, base)
            if self.source is None:
                self._without_adapter().write(part / "base", folder / "base")
        else:
            self.model.save_pretrained(part)
            generation = {**self.generation, **self._special_tokens()}
            write_json(part / "generation_config.json", generation)
        self.tokenizer.save_pretrained(part)

    def _without_adapter(self) -> Policy:
        other = self.copy(frozen=True)
        drop_adapters(other.model)
        return other

    def __repr__(self) -> str:
        parameters = sum(p.numel() for p in self.model.parameters())
        return f"Policy({self.name!r}, {parameters / 1e6:.2f}M parameters, {self.device})"


def vocabulary_size(model) -> int:
    """Number of tokens that the model has an embedding for."""
    return model.config.vocab_size


def named_end_tokens(model, generation: dict) -> list[int]:
    """The end tokens that the model's configuration and generation_config.json name."""
    theirs = getattr(getattr(model, "inner", None), "generation_config", None)
    named: list[Any] = [generation.get("eos_token_id")]
    named.append(getattr(model.config, "eos_token_id", None))
    named.append(getattr(theirs, "eos_token_id", None))
    return [i for ids in named for i in (ids if isinstance(ids, list | tuple) else [ids])]
