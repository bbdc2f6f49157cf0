"""
A stand-in for Jiwa's REST API: sessions, sales orders, quotes, debtors, inventory, list queries and webhooks.

What it relies on: `hookline/clients/jiwa/facts.yaml`. Each subject's calls are in a file of their own.
"""

from hookline.simulators.jiwa import seed as jiwa_seed
from hookline.simulators.jiwa.sales import SalesRoutes
from hookline.simulators.jiwa.subscribers import SubscriberRoutes


class JiwaSimulator(SalesRoutes, SubscriberRoutes):
    """Jiwa, version 8, with one API user and two API keys: a staff member's and a customer's."""

    def seed(self) -> None:
        """Set up the firm's debtors, inventory, orders and quotes; no subscribers, nobody logged in."""
        super().seed()
        for item in jiwa_seed.items():
            self.items.put(item)
        debtors = {debtor.document["AccountNo"]: debtor for debtor in jiwa_seed.debtors()}
        for debtor in debtors.values():
            self.debtors.put(debtor)
        self.key_debtor_id = debtors[jiwa_seed.KEY_ACCOUNT].key
        for sale, invoiced, received in jiwa_seed.ORDERS:
            debtor, items = debtors[sale[0]], self.items
            self.orders.put(jiwa_seed.order(sale, debtor, items, invoiced=invoiced, received=received))
        for sale in jiwa_seed.QUOTES:
            self.quotes.put(jiwa_seed.quote(sale, debtors[sale[0]], self.items))
