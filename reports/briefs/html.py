"""A brief as one HTML file: style, pictures and numbers with their ids inside it."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from models.study.results import StudyResults
from reports.briefs.text import Brief
from reports.figures.style import Picture
from reports.tables.html import html_table
from reports.templates import stylesheet, templates


def html_brief(brief: Brief, results: StudyResults, pictures: Mapping[str, Picture]) -> str:
    """The page. `pictures` holds every figure that the brief names."""
    page = templates().get_template("briefs/brief.html")
    return page.render(
        brief=brief,
        css=Markup(stylesheet()),
        table=html_table(results, heading=False),
        pictures={name: (picture, inline_svg(picture)) for name, picture in pictures.items()},
    )


def inline_svg(picture: Picture) -> Markup:
    """The picture's svg element, its ids made unlike those of other pictures on the page."""
    svg = picture.svg.decode()
    element = svg[svg.index("<svg") :]
    for mark in ('id="', 'href="#', "url(#"):
        element = element.replace(mark, f"{mark}{picture.name}-")
    return Markup(element)
