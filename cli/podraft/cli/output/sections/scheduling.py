"""Scheduling records as people read them: why nodes were refused, and why one won."""

from __future__ import annotations

from podraft.api.columns import ages
from podraft.api.core.v1 import scheduling_pb2
from podraft.cli.output.sections.layout import Below, block, table
from podraft.cli.output.sections.templates import Pairs

_NODES_SHOWN = 5


def record_lines(record: scheduling_pb2.SchedulingRecord, now_s: float) -> list[str]:
    """Return the lines that show a record in full."""
    pairs: Pairs = [
        ("Node", record.node_name or "none fits"),
        ("Decided", f"{ages.age(record.attempted_at, now_s)} ago, attempt {record.attempts or 1}"),
        ("Nodes", f"{record.nodes_considered} looked at, {_fitting(record)} fit"),
    ]
    if record.message:
        pairs.append(("Message", record.message))
    if record.rejections:
        pairs.append(("Refused by", Below(_rejections(record))))
    if record.scores:
        pairs.append(("Scores", Below(_scores(record))))
    return block(pairs)


def record_summary(record: scheduling_pb2.SchedulingRecord) -> str:
    """Return a record in one line."""
    if not record.node_name:
        return record.message or f"no node of {record.nodes_considered} fits"
    best = max(record.scores, key=lambda score: score.total, default=None)
    score = f", score {best.total:.0f}" if best is not None else ""
    return f"{record.node_name}, of {_fitting(record)}/{record.nodes_considered} that fit{score}"


def _fitting(record: scheduling_pb2.SchedulingRecord) -> int:
    refused = sum(rejection.nodes for rejection in record.rejections)
    return max(record.nodes_considered - refused, 0)


def _rejections(record: scheduling_pb2.SchedulingRecord) -> list[str]:
    rows = []
    for rejection in sorted(record.rejections, key=lambda r: -r.nodes):
        examples = ", ".join(list(rejection.examples)[:3])
        more = rejection.nodes - min(len(rejection.examples), 3)
        shown = f"{examples}, … {more} more" if more > 0 and examples else examples
        rows.append([rejection.filter, str(rejection.nodes), rejection.reason, shown])
    return table(["Filter", "Nodes", "Reason", "Examples"], rows)


def _scores(record: scheduling_pb2.SchedulingRecord) -> list[str]:
    best = sorted(record.scores, key=lambda score: -score.total)[:_NODES_SHOWN]
    plugins = sorted({plugin for score in best for plugin in score.by_plugin})
    rows = [
        [
            f"{score.node_name} ← chosen"
            if score.node_name == record.node_name
            else score.node_name,
            f"{score.total:.1f}",
            *(f"{score.by_plugin.get(plugin, 0.0):.1f}" for plugin in plugins),
        ]
        for score in best
    ]
    return table(["Node", "Total", *plugins], rows)
