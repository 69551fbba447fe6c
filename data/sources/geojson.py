"""Boundaries in GeoJSON: one observation each for the longitude and latitude of a region's middle.

The middle is the centroid of all of a region's polygons, holes taken out, on the plane of degrees:
close enough for distances between regions. The boundaries themselves stay in the raw file, which
the edition names. Settings: `code` is the property that holds the region's code, `year` the
version of the boundaries, `mercator` says that coordinates are metres of the web's map projection.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.errors import BadInput
from data.sources.staged import Load, file_dimensions
from data.sources.texts import finish

Points = NDArray[np.float64]
EARTH = 6378137.0  # metres: the sphere of the web's map projection
MEASURES = ("longitude", "latitude")


def read(load: Load) -> None:
    """Fills the staging tables; raises BadInput naming file and feature."""
    settings = load.layout.settings
    file_dimensions(load, ["geo", "measure"], load.file.name)
    rows = []
    for number, feature in enumerate(features(load)):
        place = f"feature {number}"
        try:
            code = feature["properties"][settings["code"]]
            middle = centroid(feature["geometry"], bool(settings.get("mercator", False)))
        except (KeyError, TypeError, ValueError, IndexError):
            where = f"{load.file.name}, {place}"
            raise BadInput(where, "has no code or no sound boundary", "fetch it again") from None
        for measure, value in zip(MEASURES, middle, strict=True):
            rows.append((str(code), measure, str(settings["year"]), repr(value), "", place))
    names = ("geo", "measure", "time", "text", "flags", "place")
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    load.con.register("features", pa.table(columns, names=list(names)))
    load.con.execute("CREATE TABLE texts AS SELECT * FROM features")
    load.con.unregister("features")
    finish(load, ["geo", "measure"])


def features(load: Load) -> list[Any]:
    """The features of the collection; raises BadInput if there are none."""
    todo = "fetch the file again, as GeoJSON"
    try:
        document = json.loads(load.file.path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as fault:
        where = f"{load.file.name}, line {fault.lineno}, column {fault.colno}"
        raise BadInput(where, "is not JSON", todo) from None
    except UnicodeDecodeError as fault:
        where = f"{load.file.name}, byte {fault.start}"
        raise BadInput(where, "is not UTF-8 text", todo) from None
    found = document.get("features") if isinstance(document, dict) else None
    if not isinstance(found, list) or not found:
        raise BadInput(f"{load.file.name}, document", "holds no features", todo)
    return found


def centroid(geometry: Any, mercator: bool) -> tuple[float, float]:
    """Longitude and latitude of the middle of a Polygon or MultiPolygon, in degrees."""
    kind, rings = geometry["type"], geometry["coordinates"]
    if kind not in ("Polygon", "MultiPolygon"):
        raise ValueError(kind)
    polygons = [rings] if kind == "Polygon" else rings
    whole, moment = 0.0, np.zeros(2)
    for polygon in polygons:
        for hole, ring in enumerate(polygon):
            area, middle = of_ring(degrees(np.asarray(ring, dtype=float)[:, :2], mercator))
            weight = -area if hole else area
            whole, moment = whole + weight, moment + weight * middle
    if not whole > 0:
        raise ValueError("no area")
    longitude, latitude = moment / whole
    return float(longitude), float(latitude)


def degrees(points: Points, mercator: bool) -> Points:
    """Coordinates (n, 2) as longitude and latitude."""
    if not mercator:
        return points
    latitude = 2 * np.arctan(np.exp(points[:, 1] / EARTH)) - np.pi / 2
    return np.degrees(np.column_stack([points[:, 0] / EARTH, latitude]))


def of_ring(points: Points) -> tuple[float, Points]:
    """Area (>= 0) and centroid (2,) of a closed ring (n, 2), by the shoelace formula."""
    origin = points[0]
    x, y = (points - origin).T  # small numbers lose no digits
    cross = x[:-1] * y[1:] - x[1:] * y[:-1]
    double = cross.sum()
    if double == 0:
        return 0.0, origin
    middle = np.array([((x[:-1] + x[1:]) * cross).sum(), ((y[:-1] + y[1:]) * cross).sum()])
    return abs(double) / 2, origin + middle / (3 * double)
