"""Plain marks for the vendors' blocks in the Prefect UI, so that it fetches nothing from elsewhere."""

COLOURS = {"jiwa": "#0b6e4f", "zentitle": "#274690", "sensorpro": "#c8553d"}

_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" role="img" aria-label="{name}">'
    '<rect width="64" height="64" rx="14" fill="{colour}"/>'
    '<text x="32" y="43" text-anchor="middle" font-family="system-ui, sans-serif" font-size="34" '
    'font-weight="700" fill="#fff">{letter}</text></svg>'
)


def logo(vendor: str) -> str | None:
    """The vendor's mark as SVG; None for a vendor we do not know."""
    if vendor not in COLOURS:
        return None
    return _SVG.format(name=vendor, colour=COLOURS[vendor], letter=vendor[0].upper())
