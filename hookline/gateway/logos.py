"""Logos for the vendors' blocks in the Prefect UI, so that it fetches nothing from elsewhere."""

from html import escape

from hookline.vendors import vendors

_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" role="img" aria-label="{name}">'
    '<rect width="64" height="64" rx="14" fill="{colour}"/>'
    '<text x="32" y="43" text-anchor="middle" font-family="system-ui, sans-serif" font-size="30" '
    'font-weight="700" fill="#fff">{letters}</text></svg>'
)


def logo(vendor: str) -> str | None:
    """Return the vendor's mark as SVG; None for a vendor we do not know."""
    if (known := vendors().get(vendor)) is None:
        return None
    letters, colour = known.mark
    return _SVG.format(name=vendor, colour=colour, letters=escape(letters))
