"""Objects of declared kinds are applied, shown, explained and deleted like all others."""

from __future__ import annotations

import json
from typing import Any

from support.cli_server import CliServer
from support.waiting import eventually

DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: backups.shop.example.com
spec:
  group: shop.example.com
  scope: Namespaced
  names: {plural: backups, kind: Backup, shortNames: [bk]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        description: A copy of a shop's data.
        properties:
          spec:
            type: object
            required: [target]
            properties:
              target: {type: string, description: Where the copy goes.}
              keep: {type: integer, minimum: 1, default: 7}
              hosts: {type: array, items: {type: object, properties: {name: {type: string}}}}
    additionalPrinterColumns:
    - {name: Target, type: string, jsonPath: .spec.target}
    - {name: Keep, type: integer, jsonPath: .spec.keep}
    - {name: Hosts, type: string, jsonPath: '.spec.hosts[*].name', priority: 1}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
"""
BACKUP = """
apiVersion: shop.example.com/v1
kind: Backup
metadata: {name: nightly}
spec:
  target: tape
  hosts: [{name: a}, {name: b}]
"""


def test_a_declared_kind_is_worked_with_like_any_other(shared_server: CliServer, room: str) -> None:
    def run(*words: str, stdin: str = "") -> Any:
        return shared_server.run(*words, "-n", room, stdin=stdin)

    def ok(*words: str, stdin: str = "") -> str:
        return shared_server.ok(*words, "-n", room, stdin=stdin)

    def apply(manifest: str) -> str:
        return ok("apply", "-f", "-", stdin=manifest)

    assert "there is no kind" in run("get", "backups").err
    apply(DEFINITION)
    eventually(lambda: run("get", "backups").code == 0)
    assert "created" in apply(BACKUP)
    assert "unchanged" in apply(BACKUP)

    header, row = ok("get", "bk").splitlines()
    assert header.split() == ["NAME", "TARGET", "KEEP", "AGE"]
    assert row.split()[:3] == ["nightly", "tape", "7"]
    assert "a,b" in ok("get", "backup/nightly", "-o", "wide")
    shown = json.loads(ok("get", "backups.shop.example.com", "nightly", "-o", "json"))
    assert (shown["kind"], shown["spec"]["keep"]) == ("Backup", 7)
    assert "nightly" in ok("describe", "backup", "nightly")

    apply(BACKUP.replace("tape", "disk").replace("  hosts: [{name: a}, {name: b}]\n", ""))
    shown = json.loads(ok("get", "backup", "nightly", "-o", "json"))
    assert shown["spec"] == {"target": "disk", "keep": 7}

    refused = run("apply", "-f", "-", stdin=BACKUP.replace("tape", "[1]"))
    assert refused.code == 1
    assert "spec.target" in refused.err
    assert "expected string, got list" in refused.err

    explained = ok("explain", "backup.spec")
    assert "Where the copy goes." in explained
    assert "hosts <[]object>" in explained
    assert "A copy of a shop's data." in ok("explain", "bk")
    assert "backups" in ok("api-resources")

    ok("delete", "backup", "nightly")
    assert run("get", "backup", "nightly").code == 1


def test_a_manifest_of_a_kind_that_nobody_declared_is_refused(shared_server: CliServer) -> None:
    manifest = BACKUP.replace("Backup", "Restore")
    refused = shared_server.run("apply", "-f", "-", stdin=manifest)
    assert refused.code == 1
    assert "Restore" in refused.err
