"""A contract's canonical form: one text for all the ways to write the same thing."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Final

from driftline.contract.form import CONTRACT

if TYPE_CHECKING:
    from driftline.contract.types import Contract

# JSON leaves these as they are, YAML refuses them or takes them for line breaks. All else stays as
# it is, because YAML does not know JSON's surrogate pairs.
_NOT_YAML: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def canonical(contract: Contract) -> str:
    """Return the contract as JSON in its own YAML form, defaults spelled out, keys sorted.

    It can be parsed again, to an equal contract but for `Contract.stated`. The path of a reference
    stands there as its file has it, so that the text does not depend on where the file lies.
    """
    text = json.dumps(
        CONTRACT.dump(contract),
        sort_keys=True,
        separators=(",", ":"),
        allow_nan=False,
        ensure_ascii=False,
    )
    return _NOT_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def fingerprint(contract: Contract) -> str:
    """Return the first 16 hex digits of the SHA-256 of the canonical form."""
    return hashlib.sha256(canonical(contract).encode()).hexdigest()[:16]
