"""Whether a JSON text fits a schema: schema.py SCHEMA [TEXT]; lines of JSON are taken one by
one. Knows the keywords that `directord list --schema` uses, refuses any other, and takes a
key that the schema does not name for a mistake of the schema."""

import json
import sys

SILENT = {"$schema", "$defs", "title", "description", "format"}
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
}


def has_type(name, value):
    if name in ("integer", "number"):
        kinds = (int, float) if name == "number" else int
        return isinstance(value, kinds) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def wrong(root, schema, value, place):
    """What does not fit, or None."""
    for keyword, argument in schema.items():
        found = None
        if keyword in SILENT:
            continue
        elif keyword == "$ref":
            target = root
            for part in argument.removeprefix("#/").split("/"):
                target = target[part]
            found = wrong(root, target, value, place)
        elif keyword == "type":
            names = argument if isinstance(argument, list) else [argument]
            if not any(has_type(name, value) for name in names):
                found = f"{place}: not {names}"
        elif keyword in ("const", "enum"):
            if value not in (argument if keyword == "enum" else [argument]):
                found = f"{place}: {value!r} is not {argument!r}"
        elif keyword in ("anyOf", "oneOf"):
            each = [wrong(root, choice, value, place) for choice in argument]
            if None not in each:
                found = "; or ".join(each)
        elif keyword == "minimum":
            found = f"{place}: below {argument}" if has_type("number", value) and value < argument else None
        elif keyword == "maximum":
            found = f"{place}: above {argument}" if has_type("number", value) and value > argument else None
        elif keyword == "required":
            missing = [key for key in argument if isinstance(value, dict) and key not in value]
            found = f"{place}: without {missing}" if missing else None
        elif keyword == "properties":
            for key, item in value.items() if isinstance(value, dict) else ():
                here = f"{place}.{key}"
                found = found or (
                    wrong(root, argument[key], item, here)
                    if key in argument
                    else f"{here}: not in the schema"
                )
        elif keyword == "items":
            for number, item in enumerate(value) if isinstance(value, list) else ():
                found = found or wrong(root, argument, item, f"{place}[{number}]")
        else:
            found = f"{place}: the keyword {keyword} is unknown here"
        if found:
            return found
    return None


def main():
    with open(sys.argv[1]) as file:
        schema = json.load(file)
    text = open(sys.argv[2]).read() if len(sys.argv) > 2 else sys.stdin.read()
    decoder, place, documents = json.JSONDecoder(), 0, 0
    text = text.strip()
    while place < len(text):
        value, place = decoder.raw_decode(text, place)
        while place < len(text) and text[place].isspace():
            place += 1
        documents += 1
        found = wrong(schema, schema, value, "")
        if found:
            sys.exit(found)
    print(f"{documents} fit" if documents else "nothing to read")


main()
