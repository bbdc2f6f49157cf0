"""Zentitle's groups of end users, their users, and the license codes that belong to a group."""

import hmac
from typing import Any

from hookline.simulators.control import Call, operation
from hookline.simulators.zentitle.inputs import Inputs, failure, fresh_number, inputs_of, now
from hookline.simulators.zentitle.state import Account, Assignment, Group, License, User

# The vendor prints no sentence for any of these; they are assumed.
GROUP_CREATED = "Group Created Successfully"
GROUP_UPDATED = "Group Updated Successfully"
GROUP_DELETED = "Group Deleted Successfully"
USER_CREATED = "Group User Created Successfully"
USER_UPDATED = "Group User Updated Successfully"
USER_DELETED = "Group User Deleted Successfully"
PASSWORD_UPDATED = "Group User Password Updated Successfully"  # noqa: S105  (not a password)
LICENSE_ASSIGNED = "Group License Code Assigned Successfully"
LICENSE_UNASSIGNED = "Group License Code Unassigned Successfully"
USER_LICENSE_CREATED = "Group User License Created Successfully"
AUTHENTICATED = "User Authenticated Successfully"

KINDS = ("master", "standard")


class Groups(Account):
    """Group, GroupUser, GroupUserPassword, GroupLicenseCode, GroupUserLicense and AuthenticateUser."""

    @operation("GET", "/api/Group")
    def get_group(self, call: Call) -> Any:
        """A group with its license codes, users and subgroups."""
        found = self._group(inputs_of(call))
        return group_row(found) | {
            "groupLicenses": [
                assignment_row(key, each) for key, each in self._assigned.items() if each.group == found.group
            ],
            "groupUsers": [user_row(each) for each in self._users.values() if each.group == found.group],
            "subGroups": [
                {"groupID": each.group, "groupName": each.name}
                for each in self._groups.values()
                if each.master == found.group
            ],
        }

    @operation("POST", "/api/Group")
    def create_group(self, call: Call) -> Any:
        """Add a group of a new name; its number is not told."""
        inputs = inputs_of(call)
        name = self._free_group_name(inputs)
        inputs.required("type")
        kind = inputs.word("type", *KINDS)
        self._add_group(
            name, kind, inputs.text("description"), self._master(inputs), self._company_number(inputs)
        )
        return GROUP_CREATED

    @operation("PUT", "/api/Group")
    def update_group(self, call: Call) -> Any:
        """Change what is named and leave the rest."""
        inputs = inputs_of(call)
        found = self._groups.get(inputs.number("groupid"))
        if found is None:
            raise failure("Group does not exist")
        name = self._free_group_name(inputs, found) if "groupname" in inputs else found.name
        kind = inputs.word("type", *KINDS, default=found.kind)
        master = self._master(inputs) if "mastergroupid" in inputs else found.master
        if master == found.group:
            raise failure("A group cannot be its own master group")
        company = self._company_number(inputs) if "companyid" in inputs else found.company
        found.description = inputs.text("description", found.description)
        found.name, found.kind, found.master, found.company = name, kind.capitalize(), master, company
        found.modified = now()
        return GROUP_UPDATED

    @operation("DELETE", "/api/Group")
    def delete_group(self, call: Call) -> Any:
        """Delete a group with its users; that its codes and subgroups are let go of is assumed."""
        found = self._group(inputs_of(call)).group
        del self._groups[found]
        self._users = {number: each for number, each in self._users.items() if each.group != found}
        self._assigned = {key: each for key, each in self._assigned.items() if each.group != found}
        for group in self._groups.values():
            if group.master == found:
                group.master = 0
        return GROUP_DELETED

    def _group(self, inputs: Inputs) -> Group:
        """The group named by its number or by its name."""
        inputs.one_of("groupid", "groupname")
        number, name = inputs.whole("groupid"), inputs.text("groupname")
        for each in self._groups.values():
            if each.group == number or (name and each.name == name):
                return each
        raise failure("Group does not exist")

    def _group_number(self, inputs: Inputs) -> int:
        number = inputs.number("groupid")
        if number not in self._groups:
            raise failure("Group does not exist")
        return number

    def _master(self, inputs: Inputs) -> int:
        """The number of the master group to be under; 0 for none."""
        number = inputs.whole("mastergroupid")
        if number and number not in self._groups:
            raise failure("Master group does not exist")
        return number

    def _free_group_name(self, inputs: Inputs, own: Group | None = None) -> str:
        name = inputs.required("groupname")
        if any(each is not own and each.name == name for each in self._groups.values()):
            raise failure("Group name already exists")
        return name

    def _add_group(
        self, name: str, kind: str, description: str = "", master: int = 0, company: int = 0
    ) -> int:
        number, created = fresh_number(self._groups), now()
        self._groups[number] = Group(
            number, kind.capitalize(), name, description, master, company, created, created
        )
        return number

    # Users

    @operation("GET", "/api/GroupUser")
    def get_group_user(self, call: Call) -> Any:
        """A user, without the password."""
        inputs = inputs_of(call)
        inputs.one_of("groupuserid", "username")
        number, name = inputs.whole("groupuserid"), inputs.text("username")
        found = self._user_named(name) if name else self._users.get(number)
        if found is None:
            raise failure("Group user does not exist")
        return user_row(found)

    @operation("POST", "/api/GroupUser")
    def create_group_user(self, call: Call) -> Any:
        """Add a user of a new name to a group; the user's number is not told."""
        inputs = inputs_of(call)
        group = self._group_number(inputs)
        self._add_user(self._new_user(inputs, group))
        return USER_CREATED

    @operation("PUT", "/api/GroupUser")
    def update_group_user(self, call: Call) -> Any:
        """Change what is named and leave the rest; the group must be named and may be another one."""
        inputs = inputs_of(call)
        found = self._user(inputs)
        group = self._group_number(inputs)
        name = self._free_user_name(inputs, found) if "username" in inputs else found.name
        more = _additional_data(inputs) if "additionaldata" in inputs else found.more
        first, last = inputs.text("firstname", found.first), inputs.text("lastname", found.last)
        email, telephone = inputs.text("email", found.email), inputs.text("telephone", found.telephone)
        found.group, found.name, found.more = group, name, more
        found.first, found.last, found.email, found.telephone = first, last, email, telephone
        found.modified = now()
        return USER_UPDATED

    @operation("DELETE", "/api/GroupUser")
    def delete_group_user(self, call: Call) -> Any:
        """Delete a user."""
        del self._users[self._user(inputs_of(call)).user]
        return USER_DELETED

    @operation("PUT", "/api/GroupUserPassword")
    def update_group_user_password(self, call: Call) -> Any:
        """Set a user's password."""
        inputs = inputs_of(call)
        found = self._user_named(inputs.required("username"))
        if found is None:
            raise failure("Group user does not exist")
        found.password, found.modified = inputs.required("password"), now()
        return PASSWORD_UPDATED

    @operation("GET", "/api/AuthenticateUser")
    def authenticate_user(self, call: Call) -> Any:
        """Tell whether a user has this password, and not which of the two is wrong."""
        inputs = inputs_of(call)
        found, password = self._user_named(inputs.required("username")), inputs.required("password")
        known = found.password if found else ""
        if not hmac.compare_digest(known.encode(), password.encode()):
            raise failure("Invalid username or password")
        return AUTHENTICATED

    def _user(self, inputs: Inputs) -> User:
        found = self._users.get(inputs.number("groupuserid"))
        if found is None:
            raise failure("Group user does not exist")
        return found

    def _user_named(self, name: str) -> User | None:
        return next((each for each in self._users.values() if each.name == name), None)

    def _free_user_name(self, inputs: Inputs, own: User | None = None) -> str:
        name = inputs.required("username")
        if any(each is not own and each.name == name for each in self._users.values()):
            raise failure("Username already exists")
        return name

    def _new_user(self, inputs: Inputs, group: int) -> User:
        created = now()
        return User(
            user=fresh_number(self._users),
            group=group,
            name=self._free_user_name(inputs),
            password=inputs.required("password"),
            first=inputs.text("firstname"),
            last=inputs.text("lastname"),
            email=inputs.text("email"),
            telephone=inputs.text("telephone"),
            more=_additional_data(inputs),
            created=created,
            modified=created,
        )

    def _add_user(self, user: User) -> None:
        self._users[user.user] = user

    # License codes of groups

    @operation("GET", "/api/GroupLicenseCode")
    def get_group_license_code(self, call: Call) -> Any:
        """The group to which a code belongs."""
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
        self._assigned[found.key] = Assignment(group, found.modified)
        return LICENSE_ASSIGNED

    @operation("DELETE", "/api/GroupLicenseCode")
    def unassign_group_license_code(self, call: Call) -> Any:
        """Take a code from its group."""
        inputs = inputs_of(call)
        group, found = self._group_number(inputs), self._license(inputs)
        if self._assignment(found).group != group:
            raise failure("License code is not assigned to this group")
        del self._assigned[found.key]
        return LICENSE_UNASSIGNED

    @operation("POST", "/api/GroupUserLicense")
    def create_group_user_license(self, call: Call) -> Any:
        """Add a group and a user and give them a code: all of it or nothing; a standard group, as assumed."""
        inputs = inputs_of(call)
        name, found = self._free_group_name(inputs), self._unassigned(inputs)
        user = self._new_user(inputs, 0)
        user.group = self._add_group(name, "standard")
        self._add_user(user)
        self._assigned[found.key] = Assignment(user.group, now())
        return USER_LICENSE_CREATED

    def _assignment(self, found: License) -> Assignment:
        if found.key not in self._assigned:
            raise failure("License code is not assigned to a group")
        return self._assigned[found.key]

    def _unassigned(self, inputs: Inputs) -> License:
        found = self._license(inputs)
        if found.key in self._assigned:
            raise failure("License code is already assigned to a group")
        return found


def _additional_data(inputs: Inputs) -> str:
    return inputs.json("additionaldata") if "additionaldata" in inputs else "{}"


def group_row(each: Group) -> dict[str, Any]:
    """A group, without what belongs to it."""
    return {
        "groupID": each.group,
        "type": each.kind,
        "masterGroupID": each.master,
        "groupName": each.name,
        "description": each.description,
        "created": each.created,
        "modified": each.modified,
        "companyID": each.company,
    }


def user_row(each: User) -> dict[str, Any]:
    """A user; never the password."""
    return {
        "groupUserID": each.user,
        "groupID": each.group,
        "userName": each.name,
        "firstName": each.first,
        "lastName": each.last,
        "email": each.email,
        "telephone": each.telephone,
        "additionalData": each.more,
        "created": each.created,
        "modified": each.modified,
    }


def assignment_row(key: tuple[str, str], each: Assignment) -> dict[str, Any]:
    """A license code of a group."""
    product, code = key
    return {"groupID": each.group, "productID": product, "licenseCode": code, "created": each.created}
