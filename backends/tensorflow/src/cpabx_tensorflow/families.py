"""Families of transformations in the configuration of a Keras layer: as JSON gives them back, lists and no tuples."""

from __future__ import annotations

from typing import Any

import keras

from cpabx import transforms
from cpabx.errors import UnsupportedError
from cpabx.layers.families import json_ready
from cpabx.transforms import Composition, Transformation


def to_config(family: Transformation) -> dict[str, Any]:
    """Name and options of a family; of a user's own as Keras writes registered objects.

    Raises:
        UnsupportedError: it is a user's own, and Keras could not make it again.
    """
    name = type(family).__name__
    if getattr(transforms, name, None) is not type(family):
        if not (hasattr(family, "get_config") and hasattr(family, "from_config")):
            raise UnsupportedError(
                "a model that is saved needs families of cpabx, or such as Keras can make again",
                f"{name} of {type(family).__module__}",
                "Give it get_config, from_config and keras.saving.register_keras_serializable, or save the weights.",
            )
        written: dict[str, Any] = keras.saving.serialize_keras_object(family)
        return written
    if isinstance(family, Composition):
        return {"family": name, "parts": [to_config(part) for part in family.parts]}
    return {"family": name, "options": json_ready(family.config)}


def from_config(config: dict[str, Any]) -> Transformation:
    """The family that :func:`to_config` described."""
    if "class_name" in config:
        own: Transformation = keras.saving.deserialize_keras_object(config)
        return own
    kind = getattr(transforms, config["family"])
    made: Transformation = kind(*map(from_config, config["parts"])) if "parts" in config else kind(**config["options"])
    return made
