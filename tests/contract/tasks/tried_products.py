"""Users who try products, as a batch runs what is sent to them: tasks are plain calls, the journal and the vendors real."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
from credited_orders import Credits

from flows.trial_nurture import trial_nurture
from hookline.clients import UnexpectedAnswer
from hookline.clients.sensorpro.models import NewContact

PRO, VIEWER, SERVER = "6453300110", "3117410103", "6503310104"
DAYS = {PRO: 30, VIEWER: 30, SERVER: 14}
"""How long each product may be tried."""
TRIALS = {
    "products": {PRO: "Draftline Pro", SERVER: "Draftline Server"},
    "days": 7,
    "tag": "trial-ends",
    "mail": {"campaign_id": "b3e81f57-6d20-4c94-8a1b-79f5c2d06e48", "broadcast_id": 1},
}


def day(days):
    """The day so many days from now."""
    return datetime.now(UTC).date() + timedelta(days=days)


class Trials(Credits):
    """A firm's trials, and what the vendors hold of their users by their own records."""

    def __init__(self, shop, zentitle, sensorpro):
        super().__init__(shop)
        self.zentitle = zentitle
        self.sensorpro = sensorpro

    async def trial(self, ends_in=5, *, product=PRO, email=None, computer=None, **user):
        """A trial that ends in so many days, of a user who left this address ("": none); its computer and address."""
        computer = computer or uuid4().hex[:20]
        email = f"{computer}@try.example" if email is None else email
        await self.begin(product, computer, ends_in)
        if email or user:
            await self.says(computer, product=product, email=email, **user)
        return computer, email

    async def begin(self, product, computer, ends_in):
        async with httpx.AsyncClient(base_url=self.sandbox.zentitle.url) as http:
            order = {"computerID": computer, "productID": product, "daysAgo": DAYS[product] - ends_in}
            (await http.post("/_sandbox/trials", json=order)).raise_for_status()

    async def begin_again(self, computer, ends_in, product=PRO):
        async with self.zentitle.get_client() as client:
            await client.delete_trial(productid=product, computerid=computer)
        await self.begin(product, computer, ends_in)

    async def says(self, computer, *, product=PRO, code=None, **user):
        async with self.zentitle.get_client() as client:
            with suppress(UnexpectedAnswer):  # what it says of it is not published
                await client.create_consumer_data(
                    productid=product, computerid=computer, licensecode=code, clientinfo=user
                )

    async def licensed(self, email, *, product=PRO, **terms):
        """A license of another computer of the same user, activated and told by the program."""
        async with self.zentitle.get_client() as client:
            [code] = await client.create_license_codes(productid=product, numcodes=1)
            await client.update_license_code(
                productid=product, licensecode=code, **({"enabledforuse": True} | terms)
            )
        await self.says(uuid4().hex[:20], product=product, code=code, email=email)
        return code

    async def contact(self, email, *, opted_out=False, tags=(), **fields):
        """A contact that Sensorpro knows already."""
        async with self.sensorpro.get_client() as client:
            await client.upsert_contacts(
                AddToList=list(tags), Contact=[NewContact(PersonalEMail=email, **fields)]
            )
            if opted_out:
                await client.change_opt_out_status(PersonalEMail=email, OptOut=True)

    async def nurture(self):
        return await self.run_flow(trial_nurture)

    def mailed(self, email):
        """What each mail to an address says of its trials."""
        mails = self.sandbox.sensorpro.records()["mails"]
        return [each["parameters"]["trials"] for each in mails if each["to"].lower() == email.lower()]

    def known(self, email):
        contacts = self.sandbox.sensorpro.records()["contacts"]
        found = [each for each in contacts if each["PersonalEMail"].lower() == email.lower()]
        return found[0] if found else None
