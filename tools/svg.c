/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pieces of an SVG that know nothing of checkpoints.  Tools.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "tools/svg.h"
#include "tools/tool.h"

/* Black on white, or white on black where the viewer prefers that.  The colours of kinds
 * are those of Okabe and Ito, darker or lighter for contrast. */
static const char style[] =
    "text{font-family:'DejaVu Sans',Verdana,Arial,sans-serif}"
    ".page{fill:#ffffff}.text{fill:#1b1f24}.muted{fill:#57606a}.bold{font-weight:bold}"
    ".halo{stroke:#ffffff;stroke-width:3px;stroke-linejoin:round;paint-order:stroke}"
    ".track{fill:none;stroke:#8c959f;stroke-width:2}.track-fill{fill:#8c959f}"
    ".thin{stroke-width:1}"
    ".undone{fill:none;stroke:#d8a48f;stroke-width:2;stroke-dasharray:3 4}"
    ".mark{fill:#424a53;stroke:#ffffff;stroke-width:1}"
    ".given-up{fill:#ffffff;stroke:#8c959f;stroke-width:1.5}"
    ".lost{fill:#ffffff;stroke:#57606a;stroke-width:1.5;stroke-dasharray:2 2}"
    ".cross,.failed{fill:none;stroke:#b93c00;stroke-width:2.4;stroke-linecap:round}"
    ".whole{fill:#dfe4ea}"
    ".cohort{fill:#8c959f;fill-opacity:.18;stroke:#8c959f;stroke-width:1.2}"
    ".cohort-line{fill:none;stroke:#8c959f;stroke-width:1.2;stroke-dasharray:1 3}"
    ".message{fill:none;stroke:#0072b2;stroke-width:1.4}.message-fill{fill:#0072b2}"
    ".collective{fill:none;stroke:#b77900;stroke-width:2.4}.collective-fill{fill:#b77900}"
    ".window{fill:none;stroke:#00795a;stroke-width:1.6;stroke-dasharray:5 3}"
    ".window-fill{fill:#00795a}"
    ".home{fill:none;stroke:#8c959f;stroke-width:1.2}.home-fill{fill:#8c959f}"
    ".faint{stroke-opacity:.3}"
    ".step{fill:none;stroke:#c44600;stroke-width:2.6}.step-fill,.badge{fill:#c44600}"
    ".number{fill:#ffffff;font-weight:bold}"
    ".line{fill:none;stroke:#8e3a8e;stroke-width:2.6;stroke-linejoin:round}"
    ".line-text{fill:#8e3a8e;font-weight:bold}"
    ".restart{fill:none;stroke:#57606a;stroke-width:1.2;stroke-dasharray:6 3 1 3}"
    ".grid{stroke:#d0d7de;stroke-width:1;fill:none}"
    ".bar-light{fill:#8fb8d8}.bar-dark{fill:#c44600}"
    ".series-0{fill:#57606a}.hollow-0{fill:none;stroke:#57606a;stroke-width:1.4}"
    "[class^=hollow]{fill:none;stroke-width:1.4}[class^=stem]{fill:none;"
    "stroke-width:1;stroke-opacity:.45}"
    ".series0{fill:#0072b2}.hollow0,.stem0{stroke:#0072b2}"
    ".series1{fill:#c44600}.hollow1,.stem1{stroke:#c44600}"
    ".series2{fill:#00795a}.hollow2,.stem2{stroke:#00795a}"
    ".series3{fill:#8e3a8e}.hollow3,.stem3{stroke:#8e3a8e}"
    ".series4{fill:#b77900}.hollow4,.stem4{stroke:#b77900}"
    ".series5{fill:#3a9bd0}.hollow5,.stem5{stroke:#3a9bd0}"
    ".series6{fill:#6b5b00}.hollow6,.stem6{stroke:#6b5b00}"
    ".series7{fill:#57606a}.hollow7,.stem7{stroke:#57606a}"
    "@media (prefers-color-scheme:dark){"
    ".page{fill:#0d1117}.text{fill:#e6edf3}.muted{fill:#9198a1}.halo{stroke:#0d1117}"
    ".track{stroke:#6e7681}.track-fill{fill:#6e7681}.undone{stroke:#8f5a45}"
    ".mark{fill:#c9d1d9;stroke:#0d1117}.given-up,.lost{fill:#0d1117}"
    ".cross,.failed{stroke:#ff8a5c}.whole{fill:#262c36}"
    ".message{stroke:#56b4e9}.message-fill{fill:#56b4e9}"
    ".collective{stroke:#e69f00}.collective-fill{fill:#e69f00}"
    ".window{stroke:#2fc08f}.window-fill{fill:#2fc08f}"
    ".step{stroke:#f5793a}.step-fill,.badge{fill:#f5793a}.number{fill:#0d1117}"
    ".grid{stroke:#30363d}.bar-light{fill:#2f5f86}.bar-dark{fill:#f5793a}"
    ".series-0{fill:#9198a1}.hollow-0{stroke:#9198a1}"
    ".series0{fill:#56b4e9}.hollow0,.stem0{stroke:#56b4e9}"
    ".series1{fill:#f5793a}.hollow1,.stem1{stroke:#f5793a}"
    ".series2{fill:#2fc08f}.hollow2,.stem2{stroke:#2fc08f}"
    ".series3{fill:#d68fd6}.hollow3,.stem3{stroke:#d68fd6}"
    ".series4{fill:#e69f00}.hollow4,.stem4{stroke:#e69f00}"
    ".series5{fill:#8fd0f5}.hollow5,.stem5{stroke:#8fd0f5}"
    ".series6{fill:#c9b458}.hollow6,.stem6{stroke:#c9b458}"
    ".series7{fill:#9198a1}.hollow7,.stem7{stroke:#9198a1}"
    ".line{stroke:#d68fd6}.line-text{fill:#d68fd6}.restart{stroke:#9198a1}}";

/* How many bytes a character of UTF-8 has that XML may hold; 0: it is none. */
static size_t character_bytes(const unsigned char *text)
{
    uint32_t code = text[0];
    size_t n = code < 0x80 ? 1 : code >= 0xf0 ? 4 : code >= 0xe0 ? 3 : 2;
    static const uint32_t least[] = {0, 0x20, 0x80, 0x800, 0x10000};
    if ((code >= 0x80 && code < 0xc2) || code > 0xf4)
        return 0;
    code &= n == 1 ? 0x7f : 0x7fu >> n;
    for (size_t i = 1; i < n; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (text[i] & 0x3f);
    }
    if (code < least[n] || code == 0x7f || (code >= 0x80 && code < 0xa0) ||
        (code >= 0xd800 && code < 0xe000) || (code & 0xfffe) == 0xfffe || code > 0x10ffff)
        return 0;
    return n;
}

static size_t next_character(const char *text, int *is_good_out)
{
    size_t n = character_bytes((const unsigned char *)text);
    *is_good_out = n > 0;
    return n > 0 ? n : 1;
}

static void escape(FILE *out, const char *text, size_t n_characters)
{
    int is_good;
    for (size_t n; *text && n_characters > 0; text += n, n_characters--) {
        n = next_character(text, &is_good);
        if (!is_good)
            fputc('?', out);
        else if (*text == '&')
            fputs("&amp;", out);
        else if (*text == '<')
            fputs("&lt;", out);
        else if (*text == '>')
            fputs("&gt;", out);
        else if (*text == '"')
            fputs("&quot;", out);
        else
            fwrite(text, 1, n, out);
    }
}

static size_t n_characters(const char *text)
{
    size_t n = 0;
    int is_good;
    for (; *text; text += next_character(text, &is_good))
        n++;
    return n;
}

void svg_escape(FILE *out, const char *text)
{
    escape(out, text, SIZE_MAX);
}

double svg_text_width(const char *text, double size)
{
    return (double)n_characters(text) * size * 0.62;
}

static void text_open(FILE *out, double x, double y, double size, const char *class,
                      enum svg_anchor anchor)
{
    static const char *const anchors[] = {"start", "middle", "end"};
    fprintf(out,
            "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" font-size=\"%.1f\" "
            "text-anchor=\"%s\">",
            class, x, y, size, anchors[anchor]);
}

void svg_text(FILE *out, double x, double y, double size, const char *class,
              enum svg_anchor anchor, const char *text)
{
    text_open(out, x, y, size, class, anchor);
    svg_escape(out, text);
    fputs("</text>\n", out);
}

void svg_text_cut(FILE *out, double x, double y, double size, const char *class,
                  double width, const char *text)
{
    size_t fit = (size_t)(width / (size * 0.6));
    text_open(out, x, y, size, class, SVG_START);
    if (n_characters(text) <= fit) {
        svg_escape(out, text);
    } else {
        escape(out, text, fit - 1);
        fputs("\u2026", out);
    }
    fputs("</text>\n", out);
}

static FILE *check(FILE *stream)
{
    if (stream)
        return stream;
    crmpi_error("out of memory");
    exit(TOOL_FAILED);
}

FILE *svg_body_open(char **body_out, size_t *bytes_out)
{
    return check(open_memstream(body_out, bytes_out));
}

void svg_body_close(FILE *body)
{
    int failed = ferror(body) != 0;
    check(fclose(body) != 0 || failed ? NULL : stdout);
}

void svg_page(FILE *out, double width, double height, const char *body, size_t bytes)
{
    fprintf(out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
            "viewBox=\"0 0 %.0f %.0f\">\n<style>%s</style>\n"
            "<rect class=\"page\" width=\"100%%\" height=\"100%%\"/>\n",
            width, height, width, height, style);
    fwrite(body, 1, bytes, out);
    fputs("</svg>\n", out);
}
