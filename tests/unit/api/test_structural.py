"""What pydantic says of a model becomes what the API server accepts, or an error that says where not."""

import enum
from typing import Annotated, Any, Literal

import pydantic
import pytest

from covet.api import model, structural


class Colour(enum.StrEnum):
    """A colour."""

    RED = "Red"
    BLUE = "Blue"


class Inner(model.Model):
    """The inner part."""

    model_config = pydantic.ConfigDict(json_schema_extra=model.rules(model.rule("self.a == 1", "from the class")))

    a: int
    """A number."""


def converted(annotation: Any, default: Any = ...) -> dict[str, Any]:
    """Return the schema of one field `it` of this type."""
    made = pydantic.create_model("Outer", __base__=model.Model, it=(annotation, default))
    found: dict[str, Any] = structural.convert(made.model_json_schema(by_alias=True))["properties"]["it"]
    return found


def test_references_are_inlined_and_definitions_dropped() -> None:
    """A structural schema refers to nothing."""
    found = converted(Inner)
    assert "object" == found["type"]
    assert {"type": "integer", "format": "int64", "description": "A number."} == found["properties"]["a"]
    assert ["a"] == found["required"]


def test_titles_and_defaults_are_dropped() -> None:
    """A default in the schema would be written into the user's object."""
    assert {"type": "string"} == converted(str, "written")


def test_an_optional_field_is_its_type_alone() -> None:
    """Nothing in the API may be null."""
    assert {"type": "string"} == converted(str | None, None)


def test_an_optional_part_keeps_description_and_rules_of_the_part() -> None:
    """What the part demands of itself survives its being optional."""
    found = converted(Inner | None, None)
    assert "The inner part." == found["description"]
    assert [{"rule": "self.a == 1", "message": "from the class"}] == found[model.RULES]


def test_rules_beside_a_part_are_added_to_its_own() -> None:
    """A field adds rules; it does not replace those of its type."""
    field = pydantic.Field(json_schema_extra=model.rules(model.rule("self.a < 9", "from the field")))
    found = converted(Annotated[Inner, field])
    assert ["from the class", "from the field"] == [rule["message"] for rule in found[model.RULES]]


def test_a_constant_becomes_an_enumeration_of_one() -> None:
    """`const` is unknown to structural schemas."""
    assert ["only"] == converted(Literal["only"])["enum"]


def test_an_enumeration_lists_its_values() -> None:
    """The words of an enumeration are what users write."""
    assert {"type": "string", "enum": ["Red", "Blue"], "description": "A colour."} == converted(Colour)


def test_integer_or_text_becomes_the_extension() -> None:
    """Quantities may be written either way."""
    text = Annotated[str, pydantic.Field(pattern="^x$", max_length=3)]
    expected = {
        "x-kubernetes-int-or-string": True,
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "pattern": "^x$",
        "maxLength": 3,
        "minimum": 0,
    }
    assert expected == converted(Annotated[int, pydantic.Field(ge=0)] | text | None, None)


def test_exclusive_bounds_take_the_boolean_form() -> None:
    """Kubernetes follows OpenAPI 3.0 here, pydantic 3.1."""
    found = converted(Annotated[int, pydantic.Field(gt=3, lt=9)])
    assert {"minimum": 3, "exclusiveMinimum": True, "maximum": 9, "exclusiveMaximum": True} == {
        key: value for key, value in found.items() if "imum" in key
    }


def test_mappings_and_lists_are_converted_within() -> None:
    """Bounds and types hold at every depth."""
    found = converted(dict[str, list[int]])
    assert {
        "type": "object",
        "additionalProperties": {"type": "array", "items": {"type": "integer", "format": "int64"}},
    } == found


@pytest.mark.parametrize("annotation", [int | bool, str | list[str], Inner | Colour])
def test_any_other_union_is_refused_with_its_path(annotation: Any) -> None:
    """A field of two shapes cannot be said in a structural schema."""
    with pytest.raises(structural.StructureError, match=r"\.it: only a union"):
        converted(annotation)


def test_a_field_that_may_be_anything_is_refused() -> None:
    """A node without a type admits what nobody checked."""
    with pytest.raises(structural.StructureError, match=r"\.it: a node without a type"):
        converted(Any)


def test_a_keyword_unknown_to_kubernetes_is_refused() -> None:
    """Better here than at `kubectl apply`."""
    with pytest.raises(structural.StructureError, match="prefixItems"):
        converted(tuple[int, str])


def test_a_model_that_contains_itself_is_refused() -> None:
    """A schema without references cannot be infinite."""
    schema = {
        "$ref": "#/$defs/Tree",
        "$defs": {"Tree": {"type": "object", "properties": {"left": {"$ref": "#/$defs/Tree"}}}},
    }
    with pytest.raises(structural.StructureError, match="Tree contains itself"):
        structural.convert(schema)
