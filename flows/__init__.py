"""Business processes, one a file: its name is the flow's and the deployment's."""
