"""Short loops that put models, data and objectives together."""

from .direct import (
    LOSSES,
    DirectSettings,
    DirectTrainer,
    PairData,
    PairLogps,
    describe_pairs,
    direct_loss,
    train_direct,
)
from .guards import NonFiniteError
from .history import History
from .online import OnlineTrainer, train_online
from .online_direct import (
    OnlineDirectSettings,
    RefreshedJudge,
    annotator_judge,
    reward_judge,
    train_online_direct,
)
from .pretrain import (
    PretrainSettings,
    document_loss,
    next_token_loss,
    packed_rows,
    train_language_model,
)
from .progress import Progress
from .rejection import (
    SELECTIONS,
    RejectionSettings,
    padding_share,
    score_by_length,
    select_answers,
    train_rejection,
)
from .reward_model import (
    RewardModelSettings,
    evaluate_pairs,
    score_pairs,
    score_steps,
    train_outcome_model,
    train_process_model,
    train_reward_model,
)
from .row_forms import Asked
from .rows import (
    ReadReport,
    as_demonstrations,
    as_preferences,
    as_prompts,
    as_stepwise,
    as_unpaired,
    preferences_from_rows,
    read_demonstrations,
    read_preferences,
    read_prompts,
    read_stepwise,
    read_unpaired,
)
from .settings import PRESETS, OnlineSettings, preset
from .sft import SFTSettings, completion_loss, held_out_loss, train_sft
from .side_by_side import side_by_side
from .writing import write_demonstrations, write_preferences, write_stepwise, write_unpaired

__all__ = [
    "Asked",
    "DirectSettings",
    "DirectTrainer",
    "History",
    "LOSSES",
    "NonFiniteError",
    "OnlineDirectSettings",
    "OnlineSettings",
    "OnlineTrainer",
    "PRESETS",
    "PairData",
    "PairLogps",
    "PretrainSettings",
    "Progress",
    "ReadReport",
    "RefreshedJudge",
    "RejectionSettings",
    "RewardModelSettings",
    "SELECTIONS",
    "SFTSettings",
    "annotator_judge",
    "as_demonstrations",
    "as_preferences",
    "as_prompts",
    "as_stepwise",
    "as_unpaired",
    "completion_loss",
    "describe_pairs",
    "direct_loss",
    "document_loss",
    "evaluate_pairs",
    "held_out_loss",
    "next_token_loss",
    "packed_rows",
    "padding_share",
    "preferences_from_rows",
    "preset",
    "read_demonstrations",
    "read_preferences",
    "read_prompts",
    "read_stepwise",
    "read_unpaired",
    "reward_judge",
    "score_by_length",
    "score_pairs",
    "score_steps",
    "select_answers",
    "side_by_side",
    "train_direct",
    "train_language_model",
    "train_online",
    "train_online_direct",
    "train_outcome_model",
    "train_process_model",
    "train_rejection",
    "train_reward_model",
    "train_sft",
    "write_demonstrations",
    "write_preferences",
    "write_stepwise",
    "write_unpaired",
]
