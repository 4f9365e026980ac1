# SPDX-License-Identifier: BSD-3-Clause
#
# Look at a picture as a viewer would: it is XML, refers to nothing outside, everything is
# on the page, and no text lies over another.
import re
import sys
import xml.etree.ElementTree as tree

ALLOWED = {"svg", "style", "rect", "circle", "path", "text", "title", "g"}
ADVANCE = 0.55  # of a character of average width, by the font's size


def box(text):
    size, x, y = (float(text.get(name)) for name in ("font-size", "x", "y"))
    width = len(text.text or "") * size * ADVANCE
    left = x - {"start": 0, "middle": width / 2, "end": width}[text.get("text-anchor")]
    return left, y - size * 0.7, left + width, y


def check(path):
    root = tree.parse(path).getroot()
    width, height = float(root.get("width")), float(root.get("height"))
    boxes = []
    for one in root.iter():
        assert one.tag.split("}")[1] in ALLOWED, one.tag
        for name, value in one.attrib.items():
            assert not name.startswith("on") and "href" not in name, name
            assert not re.search(r"nan|inf", value), value
        if one.tag.endswith("}text"):
            left, top, right, bottom = box(one)
            assert left >= 0 and right <= width + 1, "off the page: %s" % one.text
            assert top >= 0 and bottom <= height, "off the page: %s" % one.text
            boxes.append((left, top, right, bottom, one.text))
        elif one.get("cx"):
            assert 0 < float(one.get("cx")) < width and 0 < float(one.get("cy")) < height
    boxes.sort()
    for i, a in enumerate(boxes):
        for b in boxes[i + 1:]:
            if b[0] >= a[2]:
                break
            both = min(a[2], b[2]) - b[0], min(a[3], b[3]) - max(a[1], b[1])
            assert min(both) <= 1, "%s lies over %s" % (a[4], b[4])


for path in sys.argv[1:]:
    try:
        check(path)
    except Exception as why:
        sys.exit("%s: %s" % (path, why))
