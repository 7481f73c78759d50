"""Pod templates, compared by what they mean, and their hashes.

Owns: the one form of a template, and the hash by which its pods are told from others.
"""

from __future__ import annotations

import hashlib

from podraft.api.codec import spelling
from podraft.api.core.v1 import pod_pb2
from podraft.api.objects.well_known import TEMPLATE_HASH_LABEL
from podraft.server.controllers.core import objects
from podraft.server.kinds.core.pod.spec import default_spec, derive_spec

# Letters that spell no words, as in generated names.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
HASH_LENGTH = 10


def without_hash(template: pod_pb2.PodTemplateSpec) -> pod_pb2.PodTemplateSpec:
    """Return the template without the label that a controller adds."""
    plain = objects.copied(template)
    plain.metadata.labels.pop(TEMPLATE_HASH_LABEL, None)
    return plain


def comparable(template: pod_pb2.PodTemplateSpec) -> pod_pb2.PodTemplateSpec:
    """Return the template in one form, whoever set its fields and however they are spelt."""
    whole = without_hash(template)
    default_spec(whole.spec)
    derive_spec(whole.spec)
    spelling.respell(whole)
    return whole


def template_hash(template: pod_pb2.PodTemplateSpec, collisions: int) -> str:
    """Return a label value that differs between templates; ``collisions`` varies it."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(comparable(template).SerializeToString(deterministic=True))
    digest.update(collisions.to_bytes(4, "big", signed=True))
    number = int.from_bytes(digest.digest(), "big")
    letters = []
    for _ in range(HASH_LENGTH):
        number, index = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[index])
    return "".join(letters)
