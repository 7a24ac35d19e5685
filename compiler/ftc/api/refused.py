"""The exception of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity

if TYPE_CHECKING:
    from ftc.diagnostics.model import Diagnostic


class RefusedError(Exception):
    """The request is refused: `findings` has every error, and the warnings and notes that came with them.

    The text of the exception is what the command prints. A notebook shows it instead of a traceback.
    `findings` is empty if the reason is not in the configuration, such as files that are in the way.
    """

    def __init__(self, message: str = "", findings: tuple[Diagnostic, ...] = ()) -> None:
        """Refuse because of a message or of findings."""
        super().__init__(message, findings)
        self.message = message
        self.findings = findings

    def __str__(self) -> str:
        from ftc.api.texts import findings_text  # noqa: PLC0415 - reads files, only if the text is needed

        errors = sum(one.severity is Severity.ERROR for one in self.findings)
        return self.message or f"{errors} error{'s' if errors != 1 else ''}\n{findings_text(self.findings).rstrip()}"

    def _repr_html_(self) -> str | None:
        from ftc.api.html import of_findings  # noqa: PLC0415 - notebooks only

        return of_findings(self.findings) if self.findings else None

    def _render_traceback_(self) -> list[str]:
        """The lines that IPython shows instead of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class ClusterRefusedError(RefusedError):
    """The cluster refuses the request, could not run the job, or does not answer."""


RefusedError.__module__ = ClusterRefusedError.__module__ = "ftc"
