"""Every public name: it has documentation that help() shows, examples that run, and parameters that are explained."""

import doctest
import inspect
import pydoc
import re
import types

import gmp_py
import pytest

MODULES = [gmp_py, *(getattr(gmp_py, n) for n in gmp_py.__all__ if isinstance(getattr(gmp_py, n), types.ModuleType))]


def members(kind: type):
    """A class's own public methods and properties; not those that a base from elsewhere has, and documents, nor plain values."""
    for name, value in inspect.getmembers(kind):
        owners = [base.__module__.split(".")[0] for base in kind.__mro__ if name in vars(base)]
        if not name.startswith("_") and set(owners) == {"gmp_py"} and not isinstance(value, (int, str)):
            yield name, value


def is_data(value) -> bool:
    return not callable(value) and not isinstance(value, types.ModuleType)


def public():
    """Every public name with documentation of its own: modules, functions, classes, methods, properties."""
    found = {}
    for module in MODULES:
        found[module.__name__] = module
        for name in module.__all__:
            value = getattr(module, name)
            if isinstance(value, types.ModuleType) or is_data(value):
                continue
            found.setdefault(f"{module.__name__}.{name}", value)
            if inspect.isclass(value) and not issubclass(value, tuple):
                found |= {f"{module.__name__}.{name}.{member}": what for member, what in members(value)}
    return found


PUBLIC = public()
ROUTINES = {
    name: value
    for name, value in PUBLIC.items()
    if inspect.isroutine(value) and not (inspect.isclass(value) or isinstance(value, types.ModuleType))
}


@pytest.mark.parametrize("name", PUBLIC)
def test_it_is_documented_and_its_examples_run(name):
    value = PUBLIC[name]
    text = inspect.getdoc(value)
    assert text and text.strip() and text != inspect.getdoc(object), f"{name} has no documentation"
    assert text[0].isupper() and re.search(r"[.:]$", text.split("\n\n")[0].strip()), f"{name}: {text[:60]!r} is no sentence"
    parsed = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    output = []
    result = doctest.DocTestRunner().run(parsed, out=output.append)
    assert result.failed == 0, "".join(output)


@pytest.mark.parametrize("name", [n for n in ROUTINES if n.count(".") < 3 or n.split(".")[1] in gmp_py.__all__])
def test_its_parameters_are_explained(name):
    text = inspect.getdoc(ROUTINES[name])
    signature = inspect.signature(ROUTINES[name])
    parameters = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
    for parameter in parameters:
        assert re.search(rf"^\s+\*{{0,2}}{parameter.name}: ", text, re.M), f"{name}: {parameter.name} is not documented"
    assert bool(parameters) == ("Args:" in text), f"{name}: {signature}"


@pytest.mark.parametrize("name", [name for name in ROUTINES if name.count(".") == 1])
def test_a_function_has_an_example(name):
    assert ">>> " in inspect.getdoc(ROUTINES[name]), f"{name} has no example"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_help_reads_well(module):
    text = pydoc.render_doc(module, renderer=pydoc.plaintext)
    for name in set(module.__all__) - {"__version__"}:
        assert re.search(rf"\b{name}\b", text), f"help({module.__name__}) does not show {name}"
    assert " object at 0x" not in text
    hidden = re.findall(r"^ {4}(?:class )?(_[a-z]\w*)[ (]", text, re.M)
    assert not hidden, f"help({module.__name__}) shows {hidden}"


@pytest.mark.parametrize("name", [n for n, v in PUBLIC.items() if inspect.isclass(v)])
def test_help_on_a_class_shows_its_members(name):
    text = pydoc.render_doc(PUBLIC[name], renderer=pydoc.plaintext)
    for member, _ in members(PUBLIC[name]):
        assert re.search(rf"\b{member}\b", text), f"help({name}) does not show {member}"


def test_names_say_where_they_are_imported_from():
    for name in set(gmp_py.__all__) - {"__version__"}:
        value = getattr(gmp_py, name)
        assert isinstance(value, types.ModuleType) or value.__module__ == "gmp_py", name
