"""The sentences of a Zentitle account: the known ones, and those of its settings."""

import httpx
import pytest
from pydantic import ValidationError

from hookline.clients import NotFound, Refused, UnexpectedAnswer, UnknownSentence
from hookline.clients.zentitle import Sentences, ZentitleClient
from hookline.shipped.zentitle import ZentitleSettings

ACCOUNT = {"base_url": "https://zentitle.example", "customer_id": "1234", "api_key": "the-key"}


@pytest.mark.parametrize("sentence", ["OK", "ok", "Company Created Successfully", "Note successfully added."])
def test_what_has_the_documented_form_is_done(sentence):
    assert Sentences().says_done(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "",
        "Okay",
        "Done",
        "Company was not created successfully",
        "Unsuccessfully",
        "OK, but nothing was done",
    ],
)
def test_what_has_another_form_is_not(sentence):
    assert not Sentences().says_done(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Error: no codes",
        "Invalid product",
        "No license codes left",
        "productid is mandatory",
        "numcodes is mandatory when no licensecodes are supplied",
        "License codes already exist : 1",
        "License codes must have 17 to 19 digits",
        "Product 7 does not exist.",
    ],
)
def test_a_documented_write_is_refused_by_a_sentence_that_says_no(sentence):
    assert Sentences().says_refused(sentence, is_documented=True)
    assert not Sentences().says_refused(sentence, is_documented=False), "it may be the sentence of success"


@pytest.mark.parametrize(
    "sentence", ["Note added", "Notable change made", "Errorless", "Your request was processed"]
)
def test_a_sentence_that_says_neither_is_no_refusal(sentence):
    assert not Sentences().says_refused(sentence, is_documented=True)


@pytest.mark.parametrize(
    ("setting", "sentence", "fits"),
    [
        ("Company has been added", "company  has been ADDED.", True),
        ("Company * has been added; Note saved", "Note saved", True),
        ("Company * has been added; Note saved", "Company Smith (7) has been added", True),
        ("Company has been added", "Company has been added twice", False),
        ("Company.has", "Company has", False),
        (" ; ", "anything", False),
    ],
)
def test_a_sentence_of_the_settings_fits_whole_and_in_any_case(setting, sentence, fits):
    assert fits == Sentences.of(done=setting).says_done(sentence)


@pytest.mark.parametrize("setting", ["*", "Saved; *", ". *"])
def test_a_setting_that_would_fit_any_answer_is_refused(setting):
    with pytest.raises(ValidationError, match="would fit any answer"):
        ZentitleSettings(**ACCOUNT, done_sentences=setting)


async def ask(answer, name, inputs, **settings):
    client = ZentitleClient.connect(ZentitleSettings(**ACCOUNT, **settings))
    client.transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
    async with client:
        return await getattr(client, name)(**inputs)


CODES = ("create_license_codes", {"productid": "1", "numcodes": 1})
NOTE = ("create_license_note", {"productid": "1", "licensecode": "2", "description": "x"})
PRODUCT = ("get_product", {"productid": "1"})


@pytest.mark.parametrize(
    ("settings", "call", "answer", "expected"),
    [
        ({"done_sentences": "Codes: *"}, CODES, "Codes: 312410225741720791", ["312410225741720791"]),
        ({"done_sentences": "Codes will follow"}, CODES, "Codes will follow", []),
        ({"done_sentences": "Note saved"}, NOTE, "Note saved", "Note saved"),
    ],
)
async def test_the_settings_of_an_account_say_what_is_done(settings, call, answer, expected):
    with pytest.raises(UnknownSentence):
        await ask(answer, *call)

    assert expected == await ask(answer, *call, **settings)


async def test_the_settings_of_an_account_say_what_is_refused_or_absent():
    with pytest.raises(Refused) as refused:
        await ask("Quota exceeded", *NOTE, refused_sentences="Quota *")
    with pytest.raises(Refused, match="ZENTITLE_ABSENT_SENTENCES"):
        await ask("Kein Produkt", *PRODUCT)
    with pytest.raises(NotFound):
        await ask("Kein Produkt", *PRODUCT, absent_sentences="Kein *")

    assert not refused.value.maybe_applied


async def test_a_sentence_that_nobody_knows_may_mean_done_and_names_the_settings():
    with pytest.raises(UnknownSentence, match="add it to ZENTITLE_DONE_SENTENCES") as unknown:
        await ask("Codes will follow", *CODES)

    assert ("Codes will follow", True) == (unknown.value.sentence, unknown.value.maybe_applied)


@pytest.mark.parametrize("answer", [None, "", " ", {"companyID": 4}, True, ["OK"]])
async def test_what_is_no_sentence_is_unexpected_and_no_setting_is_named(answer):
    with pytest.raises(UnexpectedAnswer) as unexpected:
        await ask(answer, *NOTE)

    assert (UnexpectedAnswer, True) == (type(unexpected.value), unexpected.value.maybe_applied)


@pytest.mark.parametrize("number", [0, "0", None, "", "0 "])
def test_the_company_0_is_no_company(number):
    response = httpx.Response(200, json={"companyID": number, "company": "Nobody"})

    with pytest.raises(NotFound):
        ZentitleClient.get_company_id.read(response)


@pytest.mark.parametrize(("text", "kind"), [("Company does not exist", NotFound), ("Try again", Refused)])
def test_a_text_with_status_400_says_what_it_says(text, kind):
    response = httpx.Response(400, json={"Message": text})

    with pytest.raises(kind):
        ZentitleClient.get_company_id.read(response)


@pytest.mark.parametrize("text", ["No records found", "No license codes were found.", "no data"])
def test_a_text_that_says_so_is_an_empty_list(text):
    response = httpx.Response(200, json=text)

    assert [] == ZentitleClient.list_license_codes.read(response).Results
    assert [] == ZentitleClient.list_companies_products.read(response)


@pytest.mark.parametrize(
    "sentence",
    [
        "An unknown error has occurred.",
        "Error: Timeout expired. The timeout period elapsed prior to completion.",
        "Error: Transaction was deadlocked, rerun the transaction",
        "Please try again later",
        "Error: Object reference not set to an instance of an object.",
        "Error: an unexpected fault, no records",
    ],
)
def test_a_fault_of_the_vendor_is_neither_a_refusal_nor_an_absence(sentence):
    assert not Sentences().says_refused(sentence, is_documented=True), "the write may be done"
    assert not Sentences().says_absent(sentence), "a second one would be made"
    assert Sentences.of(refused=sentence).says_refused(sentence, is_documented=True)
