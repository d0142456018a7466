# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""What all modules share that have to do with a manifest: the option, what it says, and failures in the words of the collection."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Callable, Iterator

from ansible.module_utils.basic import AnsibleModule

from ._artifact.errors import ArtifactError, DiskFull, SpoolError
from ._artifact.manifest import FILE, Manifest
from ._artifact.paths import printable
from ._artifact.stream import StreamError
from ._multicast.errors import EngineError

#: Not a secret, but as large as a tree is: this keeps it out of the host's log and out of every result.
MANIFEST_OPTION = {"type": "str", "required": True, "no_log": True}


@contextmanager
def reporting_errors(module: AnsibleModule, known: Callable[[], dict[str, Any]] = dict) -> Iterator[None]:
    """Turn what this collection raises on purpose into the module's failure, with what is `known` of the outcome by then."""
    try:
        yield
    except DiskFull as error:
        module.fail_json(msg=str(error), reason="disk", needed_bytes=error.needed, free_bytes=error.free, **known())
    except StreamError as error:
        module.fail_json(msg=str(error), reason="source", **known())
    except (ArtifactError, SpoolError, EngineError) as error:
        module.fail_json(msg=str(error), reason="error", **known())


def read_manifest(module: AnsibleModule) -> Manifest:
    """The option ``manifest``, checked, with the options that contradict it refused."""
    manifest = Manifest.decode(str(module.params["manifest"]))
    validate = module.params.get("validate")
    if validate is not None:
        if manifest.kind != FILE:
            raise ArtifactError("validate works for an artifact that is one file, this one is a tree")
        if "%s" not in validate:
            raise ArtifactError(f"validate must contain %s, where the path of the file goes: {validate}")
    return manifest


def described(manifest: Manifest) -> dict[str, Any]:
    """The result of ``artifact_info``."""
    return {
        "manifest": manifest.encode(),
        "digest": manifest.digest,
        "checksum": manifest.checksum,
        "kind": manifest.kind,
        "name": printable(manifest.name),
        "size": manifest.size,
        "files": len(manifest.files),
        "sections": manifest.layout.sections,
    }
