"""What each role may ask of Prefect, against the OpenAPI document of the Prefect that is installed."""

import re
from uuid import UUID

import pytest

from hookline.gateway.prefect_access import as_json, listed, needed, needed_by_socket
from hookline.people import Role

ID = str(UUID(int=7))
CHANGING = {"PUT", "PATCH", "DELETE"}
READING = re.compile(
    r"/(filter|count|paginate|history|lateness|concurrency_status|count-deployments|next-runs|count-task-runs|counts)$"
    r"|^/events/count-by/"
)


@pytest.fixture(scope="module")
def document():
    from prefect.server.api.server import create_api_app

    return create_api_app().openapi()


@pytest.fixture(scope="module")
def operations(document):
    """Every operation of Prefect's server, as a method and a path."""
    return {
        (method.upper(), path)
        for path, found in document["paths"].items()
        for method in found
        if method in {"get", "post", "put", "patch", "delete", "head"}
    }


def called(method, path, body=None, query=""):
    return needed(method, re.sub(r"\{\w+\}", ID, path), query, body)


def test_the_list_names_only_what_prefect_has(operations):
    assert set() == set(listed()) - operations


def test_who_looks_only_reads_whatever_prefect_has(operations):
    """A new address of Prefect is the admin's until somebody puts it into the list; this reads the names in it."""
    open_to_all = {each for each in operations if called(*each) == Role.LOOK}
    odd = {(method, path) for method, path in open_to_all if method != "GET" and not READING.search(path)}

    assert (set(), set()) == (odd, {each for each in open_to_all if each[0] in CHANGING})


def test_what_is_not_in_the_list_is_the_admin_s(operations):
    others = operations - set(listed())

    assert {Role.ADMIN} == {called(*each) for each in others}
    assert {
        ("PUT", "/automations/{id}"),
        ("PATCH", "/block_documents/{id}"),
        ("GET", "/admin/settings"),
    } <= others


def test_no_request_matches_two_addresses_of_different_roles(operations):
    """An address with a name in it must not be another one's neighbour: `latest` may be an id."""
    for method, path in set(listed()):
        for (other_method, other), role in listed().items():
            if method == other_method and path != other:
                pattern = re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(other)))
                if pattern.fullmatch(re.sub(r"\{\w+\}", ID, path)):
                    assert listed()[method, path] == role, (path, other)


def test_an_address_that_prefect_gave_to_another_operation_is_not_read_as_the_listed_one(operations):
    """Where a plain address of Prefect also fits one with a name, both need the same role."""
    plain = {each for each in operations if "{" not in each[1]}
    for method, path in plain - set(listed()):
        assert called(method, path) == Role.ADMIN, (method, path)


@pytest.mark.parametrize(
    ("path", "query", "body", "role"),
    [
        ("/block_documents/filter", "", {}, Role.LOOK),
        ("/block_documents/filter", "", {"include_secrets": False}, Role.LOOK),
        ("/block_documents/filter", "", {"include_secrets": True}, Role.ADMIN),
        ("/block_documents/filter", "", {"include_secrets": "yes"}, Role.ADMIN),
        ("/block_documents/filter", "include_secrets=true", {}, Role.ADMIN),
        (f"/block_documents/{ID}", "include_secrets=1", None, Role.ADMIN),
        (f"/block_documents/{ID}", "include_secrets=false&include_secrets=on", None, Role.ADMIN),
        (f"/block_documents/{ID}", "%69nclude_secrets=true", None, Role.ADMIN),
        (f"/block_documents/{ID}", "include_secrets", None, Role.ADMIN),
        (f"/block_documents/{ID}", "include_secrets=false", None, Role.LOOK),
        ("/block_types/slug/jiwa-credentials/block_documents", "include_secrets=true", None, Role.ADMIN),
        ("/block_types/slug/jiwa-credentials/block_documents", "", None, Role.LOOK),
    ],
)
def test_secrets_of_blocks_are_the_admin_s(path, query, body, role):
    method = "POST" if path.endswith("filter") else "GET"

    assert role == needed(method, path, query, body)


CREATE = f"/deployments/{ID}/create_flow_run"
STATE = f"/flow_runs/{ID}/set_state"


@pytest.mark.parametrize(
    ("path", "body", "role"),
    [
        (CREATE, {"parameters": {"invoice_id": "1"}, "state": {"type": "SCHEDULED"}}, Role.OPERATE),
        (CREATE, {"parameters": {}, "job_variables": {}, "work_queue_name": None}, Role.OPERATE),
        (CREATE, {"job_variables": {"command": "sh"}}, Role.ADMIN),
        (CREATE, {"work_queue_name": "other"}, Role.ADMIN),
        (CREATE, {"infrastructure_document_id": ID}, Role.ADMIN),
        (CREATE, {"state": {"type": "COMPLETED"}}, Role.ADMIN),
        (CREATE, {"state": {"type": "SCHEDULED", "data": {"x": 1}}}, Role.ADMIN),
        (CREATE, {"state": "SCHEDULED"}, Role.ADMIN),
        (CREATE, {"what comes with the next Prefect": 1}, Role.ADMIN),
        (CREATE, None, Role.ADMIN),
        (CREATE + "/bulk", [{"parameters": {}}, {"parameters": {}}], Role.OPERATE),
        (CREATE + "/bulk", [{"parameters": {}}, {"job_variables": {"env": {"A": "b"}}}], Role.ADMIN),
        (STATE, {"state": {"type": "CANCELLING"}}, Role.OPERATE),
        (STATE, {"state": {"type": "CANCELLED"}, "force": True}, Role.OPERATE),
        (STATE, {"state": {"type": "SCHEDULED"}}, Role.DECIDE),
        (STATE, {"state": {"type": "RUNNING"}}, Role.DECIDE),
        (STATE, {"state": {"type": "COMPLETED"}}, Role.DECIDE),
        (STATE, {"state": None}, Role.DECIDE),
        (STATE, [], Role.DECIDE),
        ("/flow_runs/bulk_set_state", {"flow_runs": {}, "state": {"type": "RUNNING"}}, Role.DECIDE),
        (f"/flow_runs/{ID}/resume", {"run_input": {}}, Role.DECIDE),
        (f"/flow_runs/{ID}/input", {"key": "a"}, Role.DECIDE),
        (f"/deployments/{ID}/pause_deployment", None, Role.OPERATE),
        (f"/task_runs/{ID}/set_state", {"state": {"type": "COMPLETED"}}, Role.ADMIN),
        ("/flow_runs/", {"flow_id": ID}, Role.ADMIN),
    ],
)
def test_starting_a_run_and_changing_its_state_need_what_they_do(path, body, role):
    assert role == needed("POST", path, "", body)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/FLOWS/filter"),
        ("POST", "/flows/filter/"),
        ("POST", "/flows/filter/x"),
        ("POST", "//flows/filter"),
        ("POST", "/flows/filter\n"),
        ("POST", "flows/filter"),
        ("OPTIONS", "/flows/filter"),
        ("TRACE", "/health"),
        ("post", "/flows/filter"),
        ("GET", "/flows/filter"),
        ("GET", f"/flows/{ID}/"),
        ("GET", ""),
    ],
)
def test_what_is_written_otherwise_is_not_in_the_list(method, path):
    """`/flows/filter` by GET is a flow with that id, which reads; all else is the admin's."""
    expected = Role.LOOK if (method, path) == ("GET", "/flows/filter") else Role.ADMIN

    assert expected == needed(method, path, "", {})


def test_head_reads_what_get_reads():
    assert (Role.LOOK, Role.ADMIN) == (
        needed("HEAD", "/health", "", None),
        needed("HEAD", "/admin/settings", "", None),
    )


def test_websockets_that_take_what_is_sent_are_the_admin_s():
    sockets = ("/events/out", "/logs/out", "/events/in", "/task_runs/subscriptions/scheduled", "/events/out/")

    assert [Role.LOOK, Role.LOOK, Role.ADMIN, Role.ADMIN, Role.ADMIN] == [
        needed_by_socket(each) for each in sockets
    ]


def test_a_name_that_is_there_twice_is_read_as_what_is_passed_on():
    body = as_json(b'{"include_secrets": false, "include_secrets": true}')

    assert Role.ADMIN == needed("POST", "/block_documents/filter", "", body)


def test_a_body_without_end_of_its_brackets_is_refused_in_words():
    with pytest.raises(ValueError, match="nested too deep"):
        as_json(b"[" * 200_000)
