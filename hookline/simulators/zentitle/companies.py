"""Zentitle's companies, each of one product or of all."""

from typing import Any

from hookline.simulators.control import Call, RefusedError, folded, operation
from hookline.simulators.zentitle.inputs import Inputs, escaped, failure, fresh_number, inputs_of, now
from hookline.simulators.zentitle.state import GLOBAL, Account, Company

COMPANY_CREATED = "Company Created Successfully"  # fact: undocumented-sentences
COMPANY_UPDATED = "Company Updated Successfully"
COMPANY_DELETED = "Company Deleted Successfully"


class Companies(Account):
    """Company, CompanyID and CompaniesProducts."""

    @operation("GET", "/api/Company")
    def get_company(self, call: Call) -> Any:
        """Answer a company, which does not repeat its number."""
        inputs = inputs_of(call)
        return company_row(self._company(inputs, inputs.text("productid")))

    @operation("POST", "/api/Company")
    def create_company(self, call: Call) -> Any:
        """Add a company; a second one of the same name is another company. Its number is not answered."""
        inputs = inputs_of(call)
        name, product = inputs.required("company"), self._product(inputs).product
        company = Company(
            company=fresh_number(self._companies),
            product=GLOBAL if inputs.bit("global") else product,
            name=name,
            data=inputs.object("companydata") if "companydata" in inputs else {},
            search=[inputs.text(f"search{number}") for number in (1, 2, 3)],
            reseller=self._reseller(inputs),
            created=now(),
        )
        self._add_company(company)
        return COMPANY_CREATED

    @operation("PUT", "/api/Company")
    def update_company(self, call: Call) -> Any:
        """Change what is named and leave the rest; a new name must be free."""
        inputs = inputs_of(call)
        product = self._product(inputs).product
        company = self._company(inputs, product)
        scope = company.product
        if "global" in inputs:
            scope = GLOBAL if inputs.bit("global") else product
        name = inputs.text("company") or company.name
        if name != company.name and self._named.get((name, scope)):
            raise failure("Company name already exists")
        data = inputs.object("companydata") if "companydata" in inputs else company.data
        search = [
            inputs.text(f"search{number}", before) for number, before in enumerate(company.search, start=1)
        ]
        company.reseller = self._reseller(inputs, company.reseller)
        company.data, company.search = data, search
        if (name, scope) != (company.name, company.product):
            self._named[company.name, company.product].remove(company)
            company.name, company.product = name, scope
            self._named[name, scope].append(company)
        return COMPANY_UPDATED

    @operation("DELETE", "/api/Company")
    def delete_company(self, call: Call) -> Any:
        """Delete a company; its codes and groups then belong to none."""  # fact: codes-of-a-deleted-company
        company = self._company(inputs_of(call))
        for each in list(self._of_company[company.company].values()):
            self._move(each, 0)
        for group in self._groups.values():
            if group["companyID"] == company.company:
                group["companyID"] = 0
        self._named[company.name, company.product].remove(company)
        del self._companies[company.company]
        return COMPANY_DELETED

    @operation("GET", "/api/CompanyID")
    def get_company_id(self, call: Call) -> Any:
        """Answer the number of the company with exactly this name; of several, the oldest."""
        inputs = inputs_of(call)
        name, product = inputs.required("company"), inputs.text("productid") or GLOBAL
        found = self._named.get((name, product))
        if not found and self.dialect["names-of-companies"] == "any-case":
            named = ((each, which) for (each, which), rows in self._named.items() if rows)
            name = next(
                (each for each, which in named if (each.lower(), which) == (name.lower(), product)), name
            )
            found = self._named.get((name, product))
        return self._company_key(found[0]) if found else self._no_company(name)

    @operation("GET", "/api/CompaniesProducts")
    def list_companies_products(self, call: Call) -> Any:
        """Answer every company with its product."""
        inputs_of(call)
        return [self._company_key(each) for each in self._companies.values()]

    def _no_company(self, name: str) -> Any:
        match self.dialect["no-such-company"]:
            case "other":
                return "There is nobody of that name."
            case "zero":
                return {"companyID": 0, "company": name, "productID": GLOBAL, "productName": ""}
            case "empty":
                return []
            case "nothing":
                return None
            case "status-404":
                raise RefusedError(404, "No HTTP resource was found.")
            case _:
                raise failure("Company does not exist")

    def _company(self, inputs: Inputs, product: str = "") -> Company:
        """Return the company of this number, if it is one of the product or of all."""
        found = self._companies.get(inputs.number("companyid"))
        if found is None or (product and found.product not in (GLOBAL, product)):
            raise failure("Company does not exist")
        return found

    def _company_key(self, each: Company) -> dict[str, Any]:
        product = self._products.get(each.product)
        return {
            "companyID": str(each.company),  # a string here, a number with the license codes
            "company": each.name,
            "productID": each.product,
            "productName": product.name if product else "",
        }


def company_row(each: Company) -> dict[str, Any]:
    """Return a company as GET Company answers it."""
    known = folded(each.data)
    return {
        "company": each.name,
        "companyData": escaped(each.data),
        "firstName": str(known.get("firstname", "")),
        "email": str(known.get("email", "")),
        **{f"search{number}": text for number, text in enumerate(each.search, start=1)},
        "created": each.created,
        "productID": each.product,
    }
