"""Logos for the vendors' blocks in the Prefect UI, so that it fetches nothing from elsewhere."""

MARKS = {
    "jiwa": ("Jw", "#0b6e4f"),
    "zentitle": ("Ze", "#274690"),
    "sensorpro": ("Sp", "#c8553d"),
    "jetadvice": ("Ja", "#7b2d8b"),
    "jifeline": ("Jf", "#8a6d0b"),
}

_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" role="img" aria-label="{name}">'
    '<rect width="64" height="64" rx="14" fill="{colour}"/>'
    '<text x="32" y="43" text-anchor="middle" font-family="system-ui, sans-serif" font-size="30" '
    'font-weight="700" fill="#fff">{letters}</text></svg>'
)


def logo(vendor: str) -> str | None:
    """Return the vendor's mark as SVG; None for a vendor we do not know."""
    if vendor not in MARKS:
        return None
    letters, colour = MARKS[vendor]
    return _SVG.format(name=vendor, colour=colour, letters=letters)
