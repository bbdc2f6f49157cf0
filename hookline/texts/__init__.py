"""Texts: what a workflow writes to people, by Jinja2 files that a person edits without programming."""

from hookline.texts.declared import Artifact, Mail, Note, Text, declared
from hookline.texts.folder import Template, Texts
from hookline.texts.in_force import read_texts, render

__all__ = ["Artifact", "Mail", "Note", "Template", "Text", "Texts", "declared", "read_texts", "render"]
