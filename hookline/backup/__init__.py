"""
Backups: both databases, the keys of HOOKLINE_HOME and the firm's own files in one file, and the way back.

| module | what is there |
| --- | --- |
| `archive` | the file: its parts, its manifest with their checksums, what is refused when it is read |
| `postgres` | `pg_dump`, `pg_restore` and `psql`, for the embedded PostgreSQL or another server |
| `files` | the firm's own files: which they are, and how they come back |
| `write` | make a backup, while everything runs |
| `restore` | put a backup in the place of what is there, all or nothing, while nothing runs |

Never: a password in a command line; a path of the file that is written anywhere as it stands there; a database that is
changed in place (a new one is made beside it, and they change names at the end).
"""
