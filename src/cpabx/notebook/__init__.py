"""What notebooks show of a family, a tessellation and a fit: HTML with a small picture in it, and no matplotlib.

Pictures are SVG of a bounded size, in the colour of the page's text, so that they suit dark pages as well. Where one
cannot be made, as of a family of one's own that is not finished, a notebook shows the text that a terminal shows.
"""

from cpabx.notebook.pages import html

__all__ = ["html"]
