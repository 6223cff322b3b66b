"""What each verb answers. The names here are the field names of ``--json``.

A result is a frozen value: some facts about the whole, and ``items``. As JSON Lines every item is
a record with its ``type``, and the facts are the last record, of type ``summary``.
"""

from __future__ import annotations

from kymflow.cli.results.base import (
    Item,
    Result,
    item_to_json,
    plain,
    summary_to_json,
)
from kymflow.cli.results.compute import (
    AnalysedImage,
    AnalyzeResult,
    ImageFailure,
    IndexedTable,
    IndexResult,
    Plugin,
    PluginListResult,
)
from kymflow.cli.results.ingest import (
    FileOutcome,
    FileState,
    IngestResult,
    PlannedFile,
    PlanResult,
)
from kymflow.cli.results.keep import (
    CheckResult,
    DoneRepair,
    ExportResult,
    FoundProblem,
    NotExported,
    RepairResult,
    UpgradedImage,
    UpgradeResult,
)
from kymflow.cli.results.look import (
    Artifact,
    DamagedImage,
    DatasetInfo,
    ImageInfo,
    ListedImage,
    ListedTable,
    ListResult,
    Row,
    TableListResult,
    TableResult,
)
from kymflow.cli.results.other import (
    CompletionResult,
    DemoResult,
)
from kymflow.cli.results.report import (
    ReportedImage,
    ReportResult,
)
from kymflow.cli.results.status import (
    AnalysisStatus,
    StatusResult,
    TableStatus,
)

__all__ = [
    "AnalysedImage",
    "AnalysisStatus",
    "AnalyzeResult",
    "Artifact",
    "CheckResult",
    "CompletionResult",
    "DamagedImage",
    "DatasetInfo",
    "DemoResult",
    "DoneRepair",
    "ExportResult",
    "FileOutcome",
    "FileState",
    "FoundProblem",
    "ImageFailure",
    "ImageInfo",
    "IndexResult",
    "IndexedTable",
    "IngestResult",
    "Item",
    "ListResult",
    "ListedImage",
    "ListedTable",
    "NotExported",
    "PlanResult",
    "PlannedFile",
    "Plugin",
    "PluginListResult",
    "RepairResult",
    "ReportResult",
    "ReportedImage",
    "Result",
    "Row",
    "StatusResult",
    "TableListResult",
    "TableResult",
    "TableStatus",
    "UpgradeResult",
    "UpgradedImage",
    "item_to_json",
    "plain",
    "summary_to_json",
]
