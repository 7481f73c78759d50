"""Whom a pod's processes run as and what they may do: of the pod, and of one container.

Owns: the rules of both security contexts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, TypeAlias

from podraft.api.core.v1.container_pb2 import SecurityContext
from podraft.api.core.v1.pod_pb2 import PodSecurityContext
from podraft.api.core.v1.security_pb2 import AppArmorProfile, SeccompProfile, Sysctl
from podraft.api.violations import shown
from podraft.server.kinds.report import Report

ID_MAX: Final = 2**31 - 1
_LOCALHOST: Final = "Localhost"
_PROFILES: Final = ("RuntimeDefault", _LOCALHOST, "Unconfined")
_PROC_MOUNTS: Final = ("Default", "Unmasked")
_SYSCTL_PART: Final = "[a-z0-9](?:[-_a-z0-9]*[a-z0-9])?"
_SYSCTL: Final = re.compile(rf"{_SYSCTL_PART}(?:[./]{_SYSCTL_PART})*")
_SYSCTL_MAX: Final = 253

Profile: TypeAlias = SeccompProfile | AppArmorProfile


def check_pod_security(context: PodSecurityContext, field: str, report: Report) -> None:
    """Check the security context of a pod."""
    report.between(f"{field}.runAsUser", context.run_as_user, 0, ID_MAX)
    report.between(f"{field}.runAsGroup", context.run_as_group, 0, ID_MAX)
    report.between(f"{field}.fsGroup", context.fs_group, 0, ID_MAX)
    for index, group in enumerate(context.supplemental_groups):
        report.between(f"{field}.supplementalGroups[{index}]", group, 0, ID_MAX)
    for name, value, options in (
        ("fsGroupChangePolicy", context.fs_group_change_policy, ("Always", "OnRootMismatch")),
        ("supplementalGroupsPolicy", context.supplemental_groups_policy, ("Merge", "Strict")),
        ("seLinuxChangePolicy", context.se_linux_change_policy, ("Recursive", "MountOption")),
    ):
        if value:
            report.one_of(f"{field}.{name}", value, options)
    if context.sysctls:
        _check_sysctls(context.sysctls, f"{field}.sysctls", report)
    _check_profiles(context, field, report)


def check_container_security(context: SecurityContext, field: str, report: Report) -> None:
    """Check the security context of a container."""
    report.between(f"{field}.runAsUser", context.run_as_user, 0, ID_MAX)
    report.between(f"{field}.runAsGroup", context.run_as_group, 0, ID_MAX)
    forbidden = context.HasField("allow_privilege_escalation") and (
        not context.allow_privilege_escalation
    )
    if context.privileged and forbidden:
        report.add(f"{field}.allowPrivilegeEscalation", "must not be false when privileged is true")
    if context.proc_mount:
        report.one_of(f"{field}.procMount", context.proc_mount, _PROC_MOUNTS)
    _check_profiles(context, field, report)


def _check_profiles(
    context: PodSecurityContext | SecurityContext, field: str, report: Report
) -> None:
    if context.HasField("seccomp_profile"):
        profile, path = context.seccomp_profile, f"{field}.seccompProfile"
        _check_profile(profile, path, report)
        local = profile.localhost_profile
        if local.startswith("/") or ".." in local.split("/"):
            must = "must be relative and without '..'"
            report.add(f"{path}.localhostProfile", f"{must}, is {shown(local)}")
    if context.HasField("app_armor_profile"):
        _check_profile(context.app_armor_profile, f"{field}.appArmorProfile", report)


def _check_profile(profile: Profile, field: str, report: Report) -> None:
    report.one_of(f"{field}.type", profile.type, _PROFILES)
    if profile.type == _LOCALHOST and not profile.localhost_profile.strip():
        report.required(f"{field}.localhostProfile")
    elif profile.type != _LOCALHOST and profile.HasField("localhost_profile"):
        report.add(f"{field}.localhostProfile", f"must only be set when type is {_LOCALHOST}")


def _check_sysctls(sysctls: Iterable[Sysctl], field: str, report: Report) -> None:
    seen: set[str] = set()
    for index, sysctl in enumerate(sysctls):
        path, name = f"{field}[{index}].name", sysctl.name
        if not name:
            report.required(path)
        elif len(name) > _SYSCTL_MAX or not _SYSCTL.fullmatch(name):
            report.add(path, f"{shown(name)} is no name of a kernel parameter")
        elif name in seen:
            report.add(path, f"duplicate: {shown(name)} is listed already")
        seen.add(name)
