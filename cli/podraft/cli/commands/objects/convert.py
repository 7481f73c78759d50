"""`convert`: print manifests as they are written today; no cluster needed."""

from __future__ import annotations

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.manifest_options import manifest_options
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing


@command("convert")
@manifest_options(required=True)
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml")
def convert(settings: Settings, files: tuple[str, ...], recursive: bool, output: str) -> None:
    """Print manifests of old API versions in their present form.

    What they left out means what it meant in their version. Objects that are not of an old version
    are printed as they are.
    """
    from podraft.cli.errors import CliError, shorten
    from podraft.cli.manifests.present_forms import present_forms
    from podraft.cli.manifests.sources import read_sources
    from podraft.cli.output import documents

    found = present_forms(read_sources(files, recursive=recursive))
    for warning in found.warnings:
        printing.warn(warning)
    if found.faults:
        raise CliError("nothing was converted", *shorten(f"  {fault}" for fault in found.faults))
    if not found.objects:
        raise CliError(f"no objects in {', '.join(files)}")
    if output == "yaml":
        printing.data("---\n".join(documents.as_yaml(one) for one in found.objects))
    elif len(found.objects) == 1:
        printing.data(documents.as_json(found.objects[0]))
    else:
        listed = {"apiVersion": "v1", "kind": "List", "items": found.objects}
        printing.data(documents.as_json(listed))
