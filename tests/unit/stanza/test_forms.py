from datetime import UTC, datetime
from typing import Any

import pytest

from xmppd.jid import jid
from xmppd.ns import FORMS
from xmppd.stanza import Field, FieldType, Form, FormType, Option, StanzaError
from xmppd.stanza.forms import Item, Reported, field, form_type, submission
from xmppd.xml import Element, parse

NS = "urn:test:bots"
ROMEO = "romeo@example.net"


def template() -> Form:
    """One field of every type."""
    return Form(
        type=FormType.FORM,
        title="Bot",
        instructions=["Fill it in", "now"],
        fields=[
            form_type(NS),
            field(None, "Section 1", "fixed"),
            field("name", type="text-single", label="Name", required=True),
            field("about", "One\nTwo", "text-multi", desc="What it does"),
            field("secret", type="text-private"),
            field("public", True),
            field("features", ["news"], "list-multi", options=[("news", "News"), "search"]),
            field("max", "20", "list-single", options=["10", "20", ""]),
            field("owner", type="jid-single"),
            field("invite", type="jid-multi"),
            field("session", "s1", "hidden"),
        ],
    )


TEMPLATE_XML = f"""<x xmlns='{FORMS}' type='form'><title>Bot</title
><instructions>Fill it in</instructions><instructions>now</instructions
><field var='FORM_TYPE' type='hidden'><value>{NS}</value></field
><field type='fixed'><value>Section 1</value></field
><field var='name' type='text-single' label='Name'><required/></field
><field var='about' type='text-multi'><desc>What it does</desc
><value>One</value><value>Two</value></field
><field var='secret' type='text-private'
/><field var='public' type='boolean'><value>1</value></field
><field var='features' type='list-multi'><value>news</value
><option label='News'><value>news</value></option><option><value>search</value></option></field
><field var='max' type='list-single'><value>20</value><option><value>10</value></option
><option><value>20</value></option><option><value/></option></field
><field var='owner' type='jid-single'/><field var='invite' type='jid-multi'
/><field var='session' type='hidden'><value>s1</value></field></x>"""


def submit(*fields: Field, form_type: str | None = NS) -> Form:
    about = [field("FORM_TYPE", form_type)] if form_type else []
    return Form(type=FormType.SUBMIT, fields=[*about, *fields])


def check(*fields: Field) -> dict[str, object]:
    return dict(template().check(submit(field("name", "Bob"), *fields)))


def test_a_form_with_every_type_of_field_is_written_and_read() -> None:
    assert template().element() == parse(TEMPLATE_XML)
    assert Form.from_element(parse(TEMPLATE_XML)) == template()


def test_a_result_can_be_a_table() -> None:
    table = Form(
        type=FormType.RESULT,
        reported=Reported(fields=[field("name", type="text-single", label="Name")]),
        items=[Item(fields=[field("name", "Comune")]), Item(fields=[field("name", "Benvolio")])],
    )
    xml = (
        f"<x xmlns='{FORMS}' type='result'><reported><field var='name' type='text-single'"
        " label='Name'/></reported><item><field var='name'><value>Comune</value></field></item>"
        "<item><field var='name'><value>Benvolio</value></field></item></x>"
    )
    assert table.element() == parse(xml)
    assert Form.from_element(parse(xml)) == table


def test_a_cancelled_form_has_no_fields() -> None:
    assert Form(type=FormType.CANCEL).element() == Element(FORMS, "x", {"type": "cancel"})


@pytest.mark.parametrize(
    "xml",
    [
        "<x/>",
        "<x type='bogus'/>",
        "<y type='form'/>",
        "<x type='form'><field var='a' type='list-single'><option/></field></x>",
    ],
)
def test_a_malformed_form_is_bad_request(xml: str) -> None:
    with pytest.raises(StanzaError, match="bad-request"):
        Form.from_element(parse(xml, FORMS))


@pytest.mark.parametrize("type_", [None, "rainbow"])
def test_a_field_type_not_understood_is_text_single(type_: str | None) -> None:
    assert Field(var="a", type=type_).kind == FieldType.TEXT_SINGLE


@pytest.mark.parametrize(
    "form, field_type, expected",
    [
        ("form", "hidden", NS),
        ("result", "hidden", NS),
        ("form", None, None),
        ("result", "text-single", None),
        ("submit", None, NS),
        ("submit", "hidden", NS),
    ],
)
def test_form_type_counts_only_when_hidden_or_submitted(
    form: str, field_type: str | None, expected: str | None
) -> None:
    made = Form(type=FormType(form), fields=[Field(var="FORM_TYPE", type=field_type, values=[NS])])
    assert made.form_type == expected
    assert Form(type=FormType(form)).form_type is None


# Building


@pytest.mark.parametrize(
    "args",
    [
        {"var": "a", "type": "rainbow"},
        {"var": None, "type": "text-single"},
        {"var": "", "value": "x"},
        {"var": "a", "type": "text-single", "value": ["x", "y"]},
        {"var": "a", "type": "text-single", "options": ["x"]},
    ],
)
def test_a_field_that_the_xep_forbids_cannot_be_made(args: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        field(**args)


@pytest.mark.parametrize(
    "value, values",
    [(None, []), (True, ["1"]), (False, ["0"]), (7, ["7"]), (["a", "b"], ["a", "b"])],
)
def test_python_values_become_text(value: Any, values: list[str]) -> None:
    assert field("a", value).values == values


def test_options_have_values_and_perhaps_labels() -> None:
    made = field("a", type="list-single", options=["1", ("2", "two")])
    assert made.options == [Option(value="1"), Option(value="2", label="two")]


# Reading what was submitted


@pytest.mark.parametrize(
    "sent, value",
    [
        (field("name", ""), None),
        (field("about", ["a", "b"]), "a\nb"),
        (field("secret", "x"), "x"),
        (field("secret"), ""),
        (field("public", "true"), True),
        (field("public", "1"), True),
        (field("public", "false"), False),
        (field("public"), False),
        (field("features", ["search", "news", "news"]), ["search", "news"]),
        (field("features"), []),
        (field("max", "10"), "10"),
        (field("max", ""), ""),
        (field("max"), None),
        (field("owner", ROMEO), jid(ROMEO)),
        (field("owner", ""), None),
        (field("owner"), None),
        (
            field("invite", [ROMEO, "ROMEO@example.NET", "example.org"]),
            [jid(ROMEO), "example.org"],
        ),
        (field("session", "s1"), "s1"),
    ],
    ids=repr,
)
def test_submitted_values_have_the_type_of_their_field(sent: Field, value: object) -> None:
    if sent.var == "name":
        with pytest.raises(StanzaError, match=r"not-acceptable.*'name' is required"):
            template().check(submit(sent))
    else:
        assert check(sent) == {"name": "Bob", sent.var: value}


def test_fields_left_out_and_unknown_ones_are_not_there() -> None:
    assert check(field("unknown", "x"), field(None, "y", "fixed")) == {"name": "Bob"}


@pytest.mark.parametrize(
    "sent, condition",
    [
        (field("public", "yes"), "not-acceptable"),
        (field("public", ""), "not-acceptable"),
        (field("max", "30"), "not-acceptable"),
        (field("features", ["news", "bombs"]), "not-acceptable"),
        (field("owner", "@"), "not-acceptable"),
        (field("invite", [ROMEO, "@"]), "not-acceptable"),
        (field("max", ["10", "20"]), "bad-request"),
        (field("owner", [ROMEO, ROMEO]), "bad-request"),
        (field("name", "Bill"), "bad-request"),
        (Field(values=["x"]), "bad-request"),
    ],
    ids=repr,
)
def test_a_wrong_value_is_refused_and_named(sent: Field, condition: str) -> None:
    with pytest.raises(StanzaError, match=condition) as refused:
        check(sent)
    assert refused.value.text is not None
    assert (sent.var or "var") in refused.value.text


@pytest.mark.parametrize(
    "form", [Form(type=FormType.RESULT), Form(type=FormType.CANCEL), submit(form_type="urn:other")]
)
def test_only_a_submission_to_this_form_is_checked(form: Form) -> None:
    with pytest.raises(StanzaError, match="bad-request"):
        template().check(form)


def test_a_submission_need_not_repeat_the_form_type() -> None:
    assert template().check(submit(field("name", "Bob"), form_type=None)) == {"name": "Bob"}


def test_a_submission_is_read_from_its_element() -> None:
    sent = submit(field("name", "Bob"))
    assert submission(sent.element(), NS) == sent
    assert submission(sent.element()) == sent
    cancelled = Form(type=FormType.CANCEL)
    assert submission(cancelled.element(), NS) == cancelled


@pytest.mark.parametrize(
    "element",
    [
        None,
        Element(FORMS, "y"),
        template().element(),
        submit(form_type=None).element(),
        submit(form_type="urn:other").element(),
        submit(field("a", "1"), field("a", "2")).element(),
        submit(Field(values=["1"])).element(),
    ],
)
def test_what_is_no_submission_is_bad_request(element: Element | None) -> None:
    with pytest.raises(StanzaError, match="bad-request"):
        submission(element, NS)


def test_single_values_are_read_in_the_type_asked_for() -> None:
    form = submit(
        field("start", "2010-06-07T00:00:00Z"), field("with", ROMEO), field("limit", "5"),
        field("flip", "true"), field("empty", ""), field("ids", ["a", "b"]),
    )  # fmt: skip
    assert form.get("start", datetime) == datetime(2010, 6, 7, tzinfo=UTC)
    assert form.get("limit", int, 1) == 5
    assert form.get("flip", bool) is True
    assert form.get("empty", str) == ""
    assert form.get("empty", int, 3) == 3
    assert form.get("missing", str) is None
    assert form.get("missing", int, 3) == 3
    assert form.get_all("ids", str) == ["a", "b"]
    assert form.get_all("missing", str) == []
    with pytest.raises(StanzaError, match="the field 'with' is not an integer"):
        form.get("with", int)
    with pytest.raises(StanzaError, match="the field 'ids' is not an integer"):
        form.get_all("ids", int)
