"""The list of commands: the purpose and the module of each."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from podraft.cli.command_line.framework import Entry, Root, Section
from podraft.cli.command_line.settings import Settings

_BASIC = Section("Objects", "objects")
_WORKLOADS = Section("Workloads", "workloads")
_TROUBLE = Section("Looking closer", "troubleshooting")
_ACCESS = Section("Users and rights", "access")
_CLUSTER = Section("Cluster and settings", "cluster")

ENTRIES = {
    "apply": Entry("apply", "Make objects as the manifests say, all of them or none.", _BASIC),
    "create": Entry("create", "Make objects that are not there yet.", _BASIC),
    "diff": Entry("diff", "Show what apply would change, or what changed since.", _BASIC),
    "get": Entry("get", "List objects, as a table, YAML or JSON.", _BASIC),
    "describe": Entry("describe", "Show an object in full, with what happened to it.", _BASIC),
    "delete": Entry("delete", "Delete objects and wait until they are gone.", _BASIC),
    "replace": Entry("replace", "Put manifests in the place of what is there.", _BASIC),
    "edit": Entry("edit", "Change objects in an editor.", _BASIC),
    "patch": Entry("patch", "Change objects by a patch.", _BASIC),
    "wait": Entry("wait", "Wait for a condition of objects.", _BASIC),
    "explain": Entry("explain", "Explain a kind and its fields; needs no cluster.", _BASIC),
    "convert": Entry("convert", "Print manifests of old versions in their present form.", _BASIC),
    "label": Entry("label", "Set or remove labels.", _BASIC),
    "annotate": Entry("label", "Set or remove annotations.", _BASIC),
    "run": Entry("run", "Run an image in a pod.", _WORKLOADS),
    "expose": Entry("expose", "Make a Service for the pods of an object.", _WORKLOADS),
    "autoscale": Entry("autoscale", "Make an autoscaler for a workload.", _WORKLOADS),
    "set": Entry("set", "Set images, variables, resources, selectors.", _WORKLOADS),
    "scale": Entry("scale", "Set how many replicas run.", _WORKLOADS),
    "rollout": Entry("rollout", "Follow, undo, restart or pause a rollout.", _WORKLOADS),
    "why": Entry("why", "Say why an object is in the state it is in.", _TROUBLE),
    "history": Entry("history", "Show who changed which field of an object, and when.", _TROUBLE),
    "undo": Entry("undo", "Take back what a revision or an object's last change did.", _TROUBLE),
    "doctor": Entry("doctor", "Ask every server how it is, and say what to do.", _TROUBLE),
    "events": Entry("events", "List what happened to objects.", _TROUBLE),
    "logs": Entry("logs", "Print what containers wrote.", _TROUBLE),
    "port-forward": Entry("port_forward", "Reach a pod's ports from this machine.", _TROUBLE),
    "cp": Entry("cp", "Copy files to and from containers.", _TROUBLE),
    "exec": Entry("exec", "Run a command in a container.", _TROUBLE),
    "auth": Entry("auth", "Say who you are, and what you may do.", _ACCESS),
    "user": Entry("user", "Create, list and revoke users.", _ACCESS),
    "cordon": Entry("cordon", "Keep new pods away from a node.", _CLUSTER),
    "uncordon": Entry("cordon", "Let new pods onto a node again.", _CLUSTER),
    "drain": Entry("drain", "Move the pods away from nodes.", _CLUSTER),
    "taint": Entry("taint", "Set and remove nodes' taints.", _CLUSTER),
    "api-resources": Entry("api_resources", "List the kinds of objects.", _CLUSTER),
    "api-versions": Entry("api_versions", "List the API's groups and versions.", _CLUSTER),
    "cluster-info": Entry("cluster_info", "Show where the cluster is reached.", _CLUSTER),
    "plugin": Entry("plugin", "List programs that are commands of podraft, too.", _CLUSTER),
    "config": Entry("config", "Show the clusters and contexts in use.", _CLUSTER),
    "backup": Entry("backup", "Copy the cluster's state to a file.", _CLUSTER),
    "member": Entry("member", "List and change the servers that keep the state.", _CLUSTER),
    "token": Entry("token", "Create tokens with which nodes, or servers, join.", _CLUSTER),
    "version": Entry("version", "Show the versions of client and server.", _CLUSTER),
    "completion": Entry("completion", "Print the completion script of a shell.", _CLUSTER),
}


def _declared(settings: Settings) -> Iterable[Any]:
    from podraft.cli.sessions.connection import declared_kinds

    return declared_kinds(settings)


cli = Root(
    ENTRIES,
    _declared,
    name="podraft",
    help="Run containers on your machines: declare what should run, and see why it does.",
    no_args_is_help=True,
)


def main() -> None:
    """Run the command line of this process."""
    # gRPC's own log would hide the one line that tells the user what is wrong.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    cli.main(prog_name="podraft")
