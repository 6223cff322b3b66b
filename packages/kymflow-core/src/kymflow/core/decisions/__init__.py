"""Decisions: what people say of an image, kept with it as a list of acts that only ever grows.

Each function here is one act, with an author and a time. `read_decisions` says what holds now, and
`undo` takes the latest act back, which is one more act.
"""

from __future__ import annotations

from kymflow.core.decisions.calibration import calibrate
from kymflow.core.decisions.carry_over import CarriedOver, carry_over
from kymflow.core.decisions.fields import set_fields
from kymflow.core.decisions.import_metadata import (
    FieldsImport,
    import_metadata,
    set_fields_from_folders,
)
from kymflow.core.decisions.ledger import load_acts
from kymflow.core.decisions.log import LoggedStep, load_decision_log
from kymflow.core.decisions.marks import mark_interval, move_mark, remove_mark
from kymflow.core.decisions.regions import (
    add_region,
    borders_in_pixels,
    change_region,
    remove_region,
)
from kymflow.core.decisions.rules import Rule, apply_rule, load_rules
from kymflow.core.decisions.state import (
    CalibrationDecision,
    Decisions,
    Exclusion,
    Mark,
    Note,
    Verdict,
    fold_acts,
    read_decisions,
)
from kymflow.core.decisions.undo import undo
from kymflow.core.decisions.verdicts import accept, add_note, exclude, include, reject
from kymflow.core.metadata.acts import Act, Change, new_act_id

__all__ = [
    "Act",
    "CalibrationDecision",
    "CarriedOver",
    "Change",
    "Decisions",
    "Exclusion",
    "FieldsImport",
    "LoggedStep",
    "Mark",
    "Note",
    "Rule",
    "Verdict",
    "accept",
    "add_note",
    "add_region",
    "apply_rule",
    "borders_in_pixels",
    "calibrate",
    "carry_over",
    "change_region",
    "exclude",
    "fold_acts",
    "import_metadata",
    "include",
    "load_acts",
    "load_decision_log",
    "load_rules",
    "mark_interval",
    "move_mark",
    "new_act_id",
    "read_decisions",
    "reject",
    "remove_mark",
    "remove_region",
    "set_fields",
    "set_fields_from_folders",
    "undo",
]
