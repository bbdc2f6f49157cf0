"""Makes the Prefect server and Jiwa match the files: deployments, automations, subscriptions."""
