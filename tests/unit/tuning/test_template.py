"""The template: holes, statements, messages, identity."""

import re
import warnings
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akid.errors import TemplateError
from akid.tuning.literal import bare_literal
from akid.tuning.template import Template

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())
)


def made(text: str) -> Template:
    return Template(dedent(text).lstrip("\n"), "experiment.py", first_line=10)


def called(template: Template, net: object = None, opt: object = None) -> object:
    rendered = template.render(net or {}, opt or {})
    template.check(rendered)
    namespace: dict[str, object] = {}
    exec(rendered.source, namespace)
    return namespace["setup"]()


@given(VALUES)
def test_a_hole_gives_the_value_itself(value: object) -> None:
    """Whatever the parameter is, the rendered program sees an equal one."""
    template = made("""
        def setup():
            return [{{ net_paras["x"] }}, None][0]
    """)

    found = called(template, {"x": value})

    assert repr(found) == repr(value)


@given(VALUES)
def test_a_hole_in_a_string_gives_the_values_text(value: object) -> None:
    """Whatever the quotes of the string, and whatever the text holds."""
    template = made("""
        def setup():
            a = "<{{ net_paras['x'] }}>"; b = '<{{ net_paras["x"] }}>'  # {{ net_paras["x"] }}
            c = \'\'\'
            <{{ net_paras["x"] }}>{{ net_paras["x"] }}\'\'\'
            return a, b, c.strip()
    """)

    text = value if isinstance(value, str) else bare_literal(value)

    assert called(template, {"x": value}) == (f"<{text}>", f"<{text}>", f"<{text}>{text}".strip())


@pytest.mark.parametrize(
    ("before", "text"),
    [("", "a"), ("\\\\", "\\a"), ("\\", "'a'"), ("\\0", "\0'a'"), ("\u2028\f", "\u2028\fa")],
)
def test_an_escape_before_a_hole_takes_nothing_of_its_text(before: str, text: str) -> None:
    """Nor does anything else that stands in the string move it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's own, of the escape
        template = made(f"""
            def setup():
                a = "\x0c"
                return "{before}{{{{ net_paras['x'] }}}}"
        """)

        assert called(template, {"x": "a"}) == text


def test_strings_with_rules_of_their_own_get_the_literal() -> None:
    """What is escaped in others would be so no more."""
    template = made("""
        def setup():
            return r"{{ net_paras['x'] }}", b"{{ net_paras['x'] }}", f"{{ net_paras['x'] }}"
    """)

    assert called(template, {"x": "relu"}) == ("'relu'", b"'relu'", "'relu'")


def test_strings_are_quoted() -> None:
    """Deficiency of the first akid (12): a string in a hole lost its quotes."""
    template = made("""
        def setup():
            return {{ net_paras["act"] }}
    """)

    assert template.render({"act": "relu"}, {}).source == "def setup():\n    return 'relu'\n"


def test_a_missing_key_is_an_error() -> None:
    """Deficiency of the first akid (12): a missing key was rendered as nothing."""
    template = made("""
        def setup():
            x = 1
            return f(bn={{ net_paras["bnn"] }}, x=x)
    """)

    with pytest.raises(TemplateError) as caught:
        template.render({"bn": True, "act": 1}, {})

    assert str(caught.value) == (
        "experiment.py, line 12: net_paras has no key 'bnn'. Known keys: 'act', 'bn'."
        " Did you mean 'bn'?\n"
        '    12 |     return f(bn={{ net_paras["bnn"] }}, x=x)'
    )


@pytest.mark.parametrize(
    ("hole", "message"),
    [
        ('net_paras["a"]["c"]', "net_paras['a'] has no key 'c'. Known keys: 'b'."),
        ('net_paras["l"][7]', "net_paras['l'] has 2 items, got the number 7."),
        ("net_params", "a hole knows net_paras and opt_paras, got 'net_params'."),
        ('net_paras["n"]["x"]', "3 has no 'x'"),
        ('net_paras["n"] / 0', "a hole can't be filled: ZeroDivisionError"),
        ('net_paras["gone"] + 1', "net_paras has no key 'gone'"),
        ("net_paras.copy", "a hole can't be filled: TypeError: expected None, a bool"),
    ],
)
def test_holes_that_cannot_be_filled_say_why(hole: str, message: str) -> None:
    """The error names what is missing of what, and shows the line."""
    template = made(f"""
        def setup():
            return {{{{ {hole} }}}}
    """)

    with pytest.raises(TemplateError, match=re.escape(message)) as caught:
        template.render({"a": {"b": 1}, "l": [1, 2], "n": 3}, {})

    assert "line 11" in str(caught.value)


def test_statements_are_comment_lines() -> None:
    """`#%` lines choose and repeat, and don't appear in the rendering."""
    template = made("""
        def setup():
            sizes = []
            #% for size in net_paras["sizes"]
            sizes.append({{ size }})
            #% endfor
            #% if net_paras["bn"]
            return sizes
            #% else
            return None
            #% endif
    """)

    assert called(template, {"bn": True, "sizes": [3, 4]}) == [3, 4]
    assert called(template, {"bn": False, "sizes": []}) is None


def test_python_that_looks_like_jinja_stays_python() -> None:
    """Only holes and `#%` lines are the template's."""
    template = made("""
        def setup():
            a = "{%s}" % 3
            b = {# a comment
                "x": {"y": {"z": 1}}}
            return a, b
    """)

    assert called(template) == ("{3}", {"x": {"y": {"z": 1}}})


def test_a_hole_in_a_comment_is_left_alone() -> None:
    """A line that is commented out needs no parameters."""
    template = made("""
        def setup():
            # bn={{ net_paras["gone"] }}
            return 1  # {{ opt_paras["gone"] }}
    """)

    assert '# bn={{ net_paras["gone"] }}\n' in template.render({}, {}).source
    assert called(template) == 1


def test_negative_numbers_are_one_operand() -> None:
    """A hole binds like a name would."""
    template = made("""
        def setup():
            return {{ opt_paras["x"] }} ** 2
    """)

    assert called(template, opt={"x": -3}) == 9


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        ("", "nothing"),
        ("graph", None),
        ("graph=5", 5),
        ("net_paras, opt_paras", ({"a": 1}, {"b": 2})),
        ("opt_paras, net_paras", ({"a": 1}, {"b": 2})),
        ("*, net_paras, opt_paras", ({"a": 1}, {"b": 2})),
        ("net_paras", {"a": 1}),
    ],
)
def test_setup_takes_nothing_or_one_argument_or_the_parameters(
    signature: str, expected: object
) -> None:
    """Every documented form ends as a module whose `setup()` needs no argument."""
    both = "net_paras" in signature and "opt_paras" in signature
    one = signature.partition("=")[0] or "'nothing'"
    template = made(f"""
        def setup({signature}):
            return {"(net_paras, opt_paras)" if both else one}
    """)

    assert called(template, {"a": 1}, {"b": 2}) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def setup(a, b):\n    return a", "got setup(a, b)"),
        ("def setup(a, *, b):\n    return a", "got setup(a, b)"),
        ("def build():\n    return 1", "expected one function that is named setup"),
        ("setup = 3", "expected one function that is named setup"),
        ("@cached\ndef setup():\n    return 1", "setup can't have a decorator"),
        ("def setup():\n    pass", "setup returns nothing"),
        ("def setup(:\n    return 1", "expected a template that is Python as it stands"),
        ("def setup():\n    return {{ 1 + }}", "expected a template that is Python"),
        ("def setup():\n    {% if x %}\n    return 1", "Statements are comment lines: #% if"),
        ("def setup():\n    #% iff x\n    return 1", "unknown tag 'iff'"),
        (
            "def setup():\n    #% for a in x\n    #% endfor\n    #% if x\n    y = 1\n    return y",
            "line 4: expected a line #% endif for this one, got the end of setup",
        ),
        ("def setup():\n    return {{ opt_paras[1, 'a':] }}", "not one that jinja can use"),
        ("def setup():\n    #% include 'x'\n    return 1", "got include"),
        ("def setup():\n    #% macro f()\n    #% endmacro\n    return 1", "got macro"),
    ],
)
def test_templates_that_cannot_be_used_say_why(text: str, message: str) -> None:
    """A template is checked when it is made."""
    with pytest.raises(TemplateError, match=re.escape(message)):
        Template(text, "experiment.py")


def test_a_rendering_that_is_no_python_shows_its_line() -> None:
    """A rendered line that does not compile is shown with the column."""
    template = made("""
        def setup():
            return r"a{{ net_paras['act'] }}" "b"
    """)
    quoted = template.render({"act": 'x"y'}, {})

    with pytest.raises(TemplateError) as caught:
        template.check(template.render({"act": "it's"}, {}))
    template.check(template.render({"act": 3}, {}))

    assert "the rendered setup is not Python" in str(caught.value)
    assert 'return r"a"it\'s"" "b"' in str(caught.value)
    assert quoted.source


def test_names_from_outside_are_an_error() -> None:
    """A trial gets nothing but the function, so a missing import is told before the start."""
    template = made("""
        def setup() -> Kid:
            import numpy as np
            def inner():
                return np.zeros(BATCH) + len([x for x in range(3)])
            return inner()
    """)

    with pytest.raises(TemplateError, match="setup uses BATCH, Kid, which are defined outside"):
        template.check(template.render({}, {}))


def test_parameters_outside_of_a_hole_get_a_hint() -> None:
    """Forgetting the braces is told as that."""
    template = made("""
        def setup():
            return net_paras["bn"]
    """)

    with pytest.raises(TemplateError, match="Write it as a hole"):
        template.check(template.render({"bn": 1}, {}))


@given(VALUES, VALUES)
def test_one_shape_compiles_alike(first: object, second: object) -> None:
    """Two renderings of one shape are both Python, or both not."""
    template = made("""
        def setup():
            x = [{{ net_paras["v"] }}]
            {{ net_paras["v"] }} if x else f({{ net_paras["v"] }}, k={{ net_paras["v"] }})
            return -{{ net_paras["v"] }}
    """)
    renderings = [template.render({"v": value}, {}) for value in (first, second)]
    fine = []
    for rendered in renderings:
        try:
            compile(rendered.source, "x", "exec")
            fine.append(True)
        except SyntaxError:
            fine.append(False)

    assert renderings[0].shape != renderings[1].shape or fine[0] == fine[1]


@pytest.mark.parametrize(
    "expression",
    ["f'{{ net_paras[\"v\"] }}'", 'x{{ net_paras["v"] }}', '{{ net_paras["v"] }}.real'],
)
def test_holes_that_touch_something_are_checked_one_by_one(expression: str) -> None:
    """Where a hole is a part of a word or a string, every distinct rendering is compiled."""
    try:
        template = made(f"""
            def setup():
                x = 1
                return {expression}
        """)
    except TemplateError:
        return  # is not Python as it stands, so it never gets that far
    shapes = {template.render({"v": value}, {}).shape for value in (1, 2)}

    assert len(shapes) == 2


@given(st.integers(0, 5), st.integers(0, 5))
def test_comments_and_blanks_do_not_count_and_values_do(first: int, second: int) -> None:
    """The identity ignores comments, blank lines and trailing blanks, and holds the values."""
    plain = made("""
        def setup():
            x = {"a": {{ net_paras["v"] }},
                 "b": 2}
            return x
    """)
    noted = made("""
        # the setup

        def setup():  # builds

            # a comment
            x = {"a": {{ net_paras["v"] }},   # a value

                 # another
                 "b": 2}  \t
            return x

            # the end
    """)

    identities = [t.render({"v": v}, {}).identity for t, v in ((plain, first), (noted, second))]

    assert (identities[0] == identities[1]) == (first == second)


def test_what_looks_like_a_comment_inside_of_a_string_counts() -> None:
    """Docstrings and strings are text, whatever stands in them."""
    one = made('''
        def setup():
            """Doc.

            # one
            """
            return "# x"
    ''')
    other = made('''
        def setup():
            """Doc.

            # two
            """
            return "# x"
    ''')

    assert one.render({}, {}).identity != other.render({}, {}).identity
    assert '    # one\n    """' in one.render({}, {}).identity


def setup(graph: object) -> object:
    # % if net_paras["bn"]
    return {{opt_paras["lr"]}}  # type: ignore[name-defined]  # noqa: F821
    # % else
    return graph
    # % endif


def test_the_source_of_a_function_is_its_template() -> None:
    """`from_function` takes the text, the file's name and the line of a plain function."""
    template = Template.from_function(setup)

    assert called(template, {"bn": True}, {"lr": 0.1}) == 0.1
    assert template.name == __file__


def test_a_function_inside_of_another_works_when_it_stands_alone() -> None:
    """The common indentation is cut off."""

    def setup() -> int:
        return 7

    assert called(Template.from_function(setup)) == 7


@pytest.mark.parametrize("thing", [len, print, lambda: 1, 3, Template])
def test_what_is_no_function_setup_is_refused(thing: object) -> None:
    """The source is the template, so it takes a plain function of that name."""
    with pytest.raises(TemplateError, match="expected a plain function that is named setup"):
        Template.from_function(thing)  # type: ignore[arg-type]


def test_a_function_without_a_source_is_refused() -> None:
    """A function that was typed at a prompt or made by exec has no source to read."""
    namespace: dict[str, object] = {}
    exec("def setup():\n    return 1\n", namespace)

    with pytest.raises(TemplateError, match="can't be read"):
        Template.from_function(namespace["setup"])  # type: ignore[arg-type]
