"""The progress of waits: redrawn on a terminal, one line per change elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from podraft.api.characters import one_line
from podraft.cli.output import printing


class ProgressView:
    """A display of one sentence per object waited for; use it as a context manager.

    An unchanged sentence is not shown again.
    """

    def __init__(self, *, live: bool, coloured: bool) -> None:
        self.live = live
        self._coloured = coloured
        self._sentences: dict[str, tuple[str, str]] = {}
        self._display: Any = None
        self._spinners: dict[str, Any] = {}

    def __enter__(self) -> Self:
        if self.live:
            from rich.live import Live

            self._display = Live(
                console=printing.drawing(coloured=self._coloured),
                get_renderable=self._draw,
                refresh_per_second=8,
            )
            self._display.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._display is not None:
            self._display.stop()

    def show(self, key: str, sentence: str, *, state: str = "waiting", detail: str = "") -> None:
        """Show the progress of one object; `state` is ``waiting``, ``done`` or ``failed``.

        `detail` changes often: it is drawn on a terminal and left out elsewhere.
        """
        before = self._sentences.get(key)
        sentence = one_line(sentence)
        if self._display is None:
            if before is None or before[0] != sentence:
                printing.say(sentence)
            self._sentences[key] = (sentence, state)
            return
        shown = f"{sentence}  {one_line(detail)}" if detail else sentence
        self._sentences[key] = (shown, state)

    def _draw(self) -> Any:
        from rich.console import Group
        from rich.spinner import Spinner
        from rich.text import Text

        lines: list[Any] = []
        for key, (sentence, state) in self._sentences.items():
            if state == "waiting":
                spinner = self._spinners.setdefault(key, Spinner("dots", style="cyan"))
                spinner.update(text=Text(sentence, no_wrap=True, overflow="ellipsis"))
                lines.append(spinner)
            elif state == "done":
                lines.append(Text.assemble(("✓ ", "green"), sentence))
            else:
                lines.append(Text.assemble(("✗ ", "red"), sentence))
        return Group(*lines)
