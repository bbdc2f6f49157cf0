"""Times as people read them: in the firm's time zone, with UTC beside it. Machines get UTC, as ISO 8601."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class _Firm:
    """The time zone of this process's people; None: the machine's."""

    zone: ZoneInfo | None = None


def time_zone(name: str) -> ZoneInfo:
    """
    Return the time zone of an IANA name.

    Raises:
        ValueError: there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder, or a path out of it
        raise ValueError(
            f"{name!r} is no name of a time zone, such as Europe/Amsterdam or Australia/Sydney"
        ) from None


def use_time_zone(name: str | None) -> None:
    """Show times in this zone from now on; None: in the machine's."""
    _Firm.zone = None if name is None else time_zone(name)


def here(moment: datetime) -> datetime:
    """Return a time in the firm's zone."""
    return moment.astimezone(_Firm.zone)


def is_utc(moment: datetime) -> bool:
    """Return True where the firm's clock shows UTC at that time."""
    return here(moment).utcoffset() == timedelta(0)


def zone_name(moment: datetime) -> str:
    """Return what the firm's zone is called at that time, such as `CEST`, or `UTC+11` where it has no letters."""
    if is_utc(moment):
        return "UTC"
    name = here(moment).tzname() or ""
    if name.isalpha():
        return name
    offset = f"{here(moment):%z}"
    return f"UTC{int(offset[:3]):+d}" + (f":{offset[3:5]}" if offset[3:5] != "00" else "")


def zone_key() -> str:
    """Return what the firm's zone is called, in summer as in winter, such as `Europe/Amsterdam`."""
    return _Firm.zone.key if _Firm.zone else zone_name(datetime.now(UTC))


def date_and_time(moment: datetime) -> str:
    """Return a time in the firm's zone, to the second, without the zone's name."""
    return f"{here(moment):%Y-%m-%d %H:%M:%S}"


def in_utc(moment: datetime) -> str:
    """Return a time in UTC, to the second, and say so."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def local_time(moment: datetime, *, seconds: bool = True) -> str:
    """Return a time for a sentence: that of the firm, and UTC beside it where that is another one."""
    written = f"{here(moment):{'%Y-%m-%d %H:%M:%S' if seconds else '%Y-%m-%d %H:%M'}} {zone_name(moment)}"
    return written if is_utc(moment) else f"{written} ({moment.astimezone(UTC):%H:%M} UTC)"


def table_time(moment: datetime) -> str:
    """Return a time for a table, whose times are those of the firm, and say so where that is not UTC."""
    return date_and_time(moment) if is_utc(moment) else local_time(moment)


def from_here(moment: datetime) -> datetime:
    """Return in UTC a time that a person wrote: in the firm's zone, unless it names another one."""
    written = moment if moment.tzinfo else moment.replace(tzinfo=_Firm.zone) if _Firm.zone else moment
    return written.astimezone(UTC)
