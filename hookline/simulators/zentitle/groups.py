"""Zentitle's groups of end users, their users, and the license codes that belong to a group."""

import hmac
from typing import Any

from hookline.simulators.control import Call, operation
from hookline.simulators.records import Document
from hookline.simulators.zentitle.inputs import Inputs, failure, fresh_number, inputs_of, now
from hookline.simulators.zentitle.state import Account, Key, License

CREATED, UPDATED, DELETED = (
    f"{{}} {done} Successfully" for done in ("Created", "Updated", "Deleted")
)  # fact: undocumented-sentences
PASSWORD_UPDATED = "Group User Password Updated Successfully"  # noqa: S105  (not a password)
LICENSE_ASSIGNED = "Group License Code Assigned Successfully"
LICENSE_UNASSIGNED = "Group License Code Unassigned Successfully"
AUTHENTICATED = "User Authenticated Successfully"

KINDS = ("master", "standard")

NEW_GROUP: Document = {
    "type": "",
    "masterGroupID": 0,
    "groupName": "",
    "description": "",
    "companyID": 0,
}
TEXTS = ("firstName", "lastName", "email", "telephone")
NEW_USER: Document = {
    "groupID": 0,
    "userName": "",
    "password": "",
    "additionalData": "{}",
    **dict.fromkeys(TEXTS, ""),
}


class Groups(Account):
    """Group, GroupUser, GroupUserPassword, GroupLicenseCode, GroupUserLicense and AuthenticateUser."""

    @operation("GET", "/api/Group")
    def get_group(self, call: Call) -> Any:
        """Answer a group with its license codes, users and subgroups."""
        group = self._group(inputs_of(call))
        number = group["groupID"]
        return group | {
            "groupLicenses": [
                assignment_row(key, each) for key, each in self._assigned.items() if each["groupID"] == number
            ],
            "groupUsers": [user_row(each) for each in self._users.values() if each["groupID"] == number],
            "subGroups": [
                {name: each[name] for name in ("groupID", "groupName")}
                for each in self._groups.values()
                if each["masterGroupID"] == number
            ],
        }

    @operation("POST", "/api/Group")
    def create_group(self, call: Call) -> Any:
        """Add a group of a new name; its number is not answered."""
        self._put(self._groups, "groupID", self._changed_group(inputs_of(call), NEW_GROUP))
        return CREATED.format("Group")

    @operation("PUT", "/api/Group")
    def update_group(self, call: Call) -> Any:
        """Change what is named and leave the rest."""
        inputs = inputs_of(call)
        self._put(
            self._groups, "groupID", self._changed_group(inputs, self._groups[self._group_number(inputs)])
        )
        return UPDATED.format("Group")

    @operation("DELETE", "/api/Group")
    def delete_group(self, call: Call) -> Any:
        """Delete a group with its users; its codes and subgroups are released."""  # fact: groups-that-are-deleted
        number = self._group(inputs_of(call))["groupID"]
        del self._groups[number]
        self._users = {key: each for key, each in self._users.items() if each["groupID"] != number}
        self._assigned = {key: each for key, each in self._assigned.items() if each["groupID"] != number}
        for group in self._groups.values():
            if group["masterGroupID"] == number:
                group["masterGroupID"] = 0
        return DELETED.format("Group")

    def _group(self, inputs: Inputs) -> Document:
        """Return the group named by its number or by its name."""
        inputs.one_of("groupid", "groupname")
        number, name = inputs.whole("groupid"), inputs.text("groupname")
        for each in self._groups.values():
            if each["groupID"] == number or (name and each["groupName"] == name):
                return each
        raise failure("Group does not exist")

    def _group_number(self, inputs: Inputs) -> int:
        number = inputs.number("groupid")
        if number not in self._groups:
            raise failure("Group does not exist")
        return number

    def _changed_group(self, inputs: Inputs, current: Document) -> Document:
        """Return a group after a POST or a PUT."""
        name = _free_name(self._groups, "groupName", inputs, current, "Group name already exists")
        if not current["type"]:
            inputs.required("type")
        kind = inputs.word("type", *KINDS, default=current["type"].lower())
        master = self._reference(
            inputs, "mastergroupid", self._groups, "Master group", current["masterGroupID"]
        )
        if master and master == current.get("groupID"):
            raise failure("A group cannot be its own master group")
        return current | {
            "groupName": name,
            "type": kind.capitalize(),
            "masterGroupID": master,
            "companyID": self._company_number(inputs, current["companyID"]),
            "description": inputs.text("description", current["description"]),
        }

    def _put(self, rows: dict[int, Document], key: str, record: Document) -> int:
        """Store a group or a user, under a fresh number if it is new."""
        number = int(record.get(key) or fresh_number(rows))
        changed = now()
        rows[number] = {key: number, "created": changed} | record | {"modified": changed}
        return number

    # Users

    @operation("GET", "/api/GroupUser")
    def get_group_user(self, call: Call) -> Any:
        """Answer a user, without the password."""
        inputs = inputs_of(call)
        inputs.one_of("groupuserid", "username")
        number, name = inputs.whole("groupuserid"), inputs.text("username")
        return user_row(_known(self._user_named(name) if name else self._users.get(number)))

    @operation("POST", "/api/GroupUser")
    def create_group_user(self, call: Call) -> Any:
        """Add a user of a new name to a group; the user's number is not answered."""
        inputs = inputs_of(call)
        group = self._group_number(inputs)
        self._put(self._users, "groupUserID", self._changed_user(inputs, NEW_USER | {"groupID": group}))
        return CREATED.format("Group User")

    @operation("PUT", "/api/GroupUser")
    def update_group_user(self, call: Call) -> Any:
        """Change what is named and leave the rest; the group must be named and may be another one."""
        inputs = inputs_of(call)
        user = self._user(inputs)
        group = self._group_number(inputs)
        self._put(self._users, "groupUserID", self._changed_user(inputs, user) | {"groupID": group})
        return UPDATED.format("Group User")

    @operation("DELETE", "/api/GroupUser")
    def delete_group_user(self, call: Call) -> Any:
        """Delete a user."""
        del self._users[self._user(inputs_of(call))["groupUserID"]]
        return DELETED.format("Group User")

    @operation("PUT", "/api/GroupUserPassword")
    def update_group_user_password(self, call: Call) -> Any:
        """Set a user's password."""
        inputs = inputs_of(call)
        user = _known(self._user_named(inputs.required("username")))
        user |= {"password": inputs.required("password"), "modified": now()}
        return PASSWORD_UPDATED

    @operation("GET", "/api/AuthenticateUser")
    def authenticate_user(self, call: Call) -> Any:
        """Check a user's password; an error does not reveal which of the two is wrong."""
        inputs = inputs_of(call)
        user, password = self._user_named(inputs.required("username")), inputs.required("password")
        known = user["password"] if user else ""
        if not hmac.compare_digest(known.encode(), password.encode()):
            return self._says(ok=False)
        return self._says(ok=True)

    def _says(self, *, ok: bool) -> Any:
        if self.dialect["password-answers"] == "boolean":
            return ok
        return AUTHENTICATED if ok else "Invalid username or password"

    def _user(self, inputs: Inputs) -> Document:
        return _known(self._users.get(inputs.number("groupuserid")))

    def _user_named(self, name: str) -> Document | None:
        return next((each for each in self._users.values() if each["userName"] == name), None)

    def _changed_user(self, inputs: Inputs, current: Document) -> Document:
        """Return a user after a POST or a PUT; a PUT leaves the password."""
        name = _free_name(self._users, "userName", inputs, current, "Username already exists")
        password = current["password"] or inputs.required("password")
        texts = {each: inputs.text(each.lower(), current[each]) for each in TEXTS}
        more = inputs.json("additionaldata") if "additionaldata" in inputs else current["additionalData"]
        return current | {"userName": name, "password": password, "additionalData": more} | texts

    # License codes of groups

    @operation("GET", "/api/GroupLicenseCode")
    def get_group_license_code(self, call: Call) -> Any:
        """Answer the group to which a code belongs."""
        found = self._license(inputs_of(call))
        return assignment_row(found.key, self._assignment(found))

    @operation("POST", "/api/GroupLicenseCode")
    def assign_group_license_code(self, call: Call) -> Any:
        """Give a code to a group; its company and profile are set to none when they are left out."""
        inputs = inputs_of(call)
        group, found = self._group_number(inputs), self._unassigned(inputs)
        company, profile = self._company_number(inputs), inputs.whole("profileid")
        if profile and (profile not in self._profiles or self._profiles[profile].product != found.product):
            raise failure("Profile does not exist")
        self._move(found, company)
        found.profile, found.modified = profile, now()
        self._assigned[found.key] = {"groupID": group, "created": found.modified}
        return LICENSE_ASSIGNED

    @operation("DELETE", "/api/GroupLicenseCode")
    def unassign_group_license_code(self, call: Call) -> Any:
        """Take a code from its group."""
        inputs = inputs_of(call)
        group, found = self._group_number(inputs), self._license(inputs)
        if self._assignment(found)["groupID"] != group:
            raise failure("License code is not assigned to this group")
        del self._assigned[found.key]
        return LICENSE_UNASSIGNED

    @operation("POST", "/api/GroupUserLicense")
    def create_group_user_license(self, call: Call) -> Any:
        """Add a standard group, a user and its code: all of it or nothing."""  # fact: group-user-license-in-parts
        inputs = inputs_of(call)
        name = _free_name(self._groups, "groupName", inputs, NEW_GROUP, "Group name already exists")
        found, user = self._unassigned(inputs), self._changed_user(inputs, NEW_USER)
        group = self._put(self._groups, "groupID", NEW_GROUP | {"groupName": name, "type": "Standard"})
        self._put(self._users, "groupUserID", user | {"groupID": group})
        self._assigned[found.key] = {"groupID": group, "created": now()}
        return CREATED.format("Group User License")

    def _assignment(self, found: License) -> Document:
        if found.key not in self._assigned:
            raise failure("License code is not assigned to a group")
        return self._assigned[found.key]

    def _unassigned(self, inputs: Inputs) -> License:
        found = self._license(inputs)
        if found.key in self._assigned:
            raise failure("License code is already assigned to a group")
        return found


def _known(user: Document | None) -> Document:
    if user is None:
        raise failure("Group user does not exist")
    return user


def _free_name(
    rows: dict[int, Document], field: str, inputs: Inputs, current: Document, complaint: str
) -> str:
    """Return the name of a record after a POST or a PUT; a new one must be free."""
    if current[field] and field.lower() not in inputs:
        return str(current[field])
    name = inputs.required(field.lower())
    if any(each is not current and each[field] == name for each in rows.values()):
        raise failure(complaint)
    return name


def user_row(each: Document) -> Document:
    """Return a user without the password."""
    return {name: value for name, value in each.items() if name != "password"}


def assignment_row(key: Key, each: Document) -> Document:
    """Return a license code of a group."""
    return dict(zip(("productID", "licenseCode"), key, strict=True)) | each
