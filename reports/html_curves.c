/* Miss-ratio curves as SVG: they need no script. With one, the page draws them among its charts and hides these. */
#include <inttypes.h>
#include <string.h>

#include "common/units.h"
#include "reports/facts.h"
#include "reports/html.h"
#include "reports/text.h"

#define CURVES_SHOWN 12u
#define LEFT 52
#define TOP 10
#define WIDTH 480
#define HEIGHT 170

static int x_of(const struct cgr_result_curve *c, int64_t bytes)
{
	int64_t most = c->size_bytes[c->count - 1];

	return LEFT + (most > 0 ? (int)((__int128)CGR_MIN(CGR_MAX(bytes, (int64_t)0), most) * WIDTH / most) : 0);
}

static int y_of(const struct cgr_result_curve *c, int64_t misses)
{
	int64_t kept = CGR_MIN(CGR_MAX(misses, (int64_t)0), c->accesses);

	return TOP + HEIGHT - (int)((__int128)kept * HEIGHT / CGR_MAX(c->accesses, (int64_t)1));
}

static void put_axes(struct cgr_strbuf *out, const struct cgr_result_curve *c)
{
	char text[48];

	for (int i = 0; i <= 4; i++) {
		int y = TOP + HEIGHT - HEIGHT * i / 4, x = LEFT + WIDTH * i / 4;

		cgr_strbuf_printf(
		    out,
		    "<path class=grid d=\"M%d %dH%d\"></path><text x=%d y=%d class=end>%d&nbsp;%%</text>"
		    "<text x=%d y=%d class=%s>%s</text>",
		    LEFT, y, LEFT + WIDTH, LEFT - 6, y + 4, 25 * i, x, TOP + HEIGHT + 16,
		    i == 4   ? "end"
		    : i == 0 ? "begin"
		             : "middle",
		    cgr_format_bytes((int64_t)((__int128)c->size_bytes[c->count - 1] * i / 4), text, sizeof text));
	}
}

/* Dashed where the cgroup's own limit was and would be; a limit beyond the curve's end needs no line. */
static void put_limit(struct cgr_strbuf *out, const struct cgr_result_curve *c, int64_t bytes, bool recorded, int row)
{
	char text[48];

	if (bytes == CGR_UNLIMITED || bytes <= 0 || bytes >= c->size_bytes[c->count - 1])
		return;
	int x = x_of(c, bytes);
	bool right = x > LEFT + WIDTH - 150;
	cgr_strbuf_printf(out,
	                  "<path class=%s d=\"M%d %dV%d\"></path><text x=%d y=%d class=\"%s lim\">memory.max %s%s</text>",
	                  recorded ? "was" : "limit", x, TOP, TOP + HEIGHT, right ? x - 5 : x + 5, TOP + 12 + 14 * row,
	                  right ? "end" : "begin", cgr_format_bytes(bytes, text, sizeof text), recorded ? " recorded" : "");
}

static void put_svg(struct cgr_strbuf *out, const struct cgr_result *result, const struct cgr_result_curve *c,
                    uint32_t cgroup)
{
	int64_t asked = CGR_UNLIMITED, recorded = CGR_UNLIMITED;

	cgr_facts_limit(result, cgroup, "memory.max", &recorded, &asked);
	cgr_strbuf_printf(out,
	                  "<svg class=curve viewBox=\"0 0 %d %d\" role=img aria-label=\"Share of look-ups that miss, by "
	                  "size of the cache\">",
	                  LEFT + WIDTH + 12, TOP + HEIGHT + 24);
	put_axes(out, c);
	put_limit(out, c, asked, false, 0);
	if (recorded != asked)
		put_limit(out, c, recorded, true, 1);
	/* steps: between two sizes that were counted nothing is claimed but that misses do not rise */
	cgr_strbuf_printf(out, "<path class=line d=\"M%d %d", x_of(c, c->size_bytes[0]), y_of(c, c->misses[0]));
	for (size_t i = 1; i < c->count; i++)
		cgr_strbuf_printf(out, "H%dV%d", x_of(c, c->size_bytes[i]), y_of(c, c->misses[i]));
	cgr_strbuf_printf(out, "\"></path></svg>");
}

/* The smallest cache from which on more room saves less than a hundredth of the look-ups. */
static int64_t enough_bytes(const struct cgr_result_curve *c)
{
	int64_t floor = c->misses[c->count - 1] + c->accesses / 100;

	for (size_t i = 0; i < c->count; i++)
		if (c->misses[i] <= floor)
			return c->size_bytes[i];
	return c->size_bytes[c->count - 1];
}

static void put_words(struct cgr_strbuf *out, const struct cgr_result_curve *c)
{
	char accesses[32], all[32], enough[32];
	int64_t first_ppm = cgr_facts_share_ppm(c->misses[c->count - 1], c->accesses);

	cgr_strbuf_printf(
	    out,
	    "<p class=note>%s look-ups of %s of file pages%s; %" PRId64 ".%" PRId64
	    "&nbsp;%% were first ones, which miss in any cache. From %s on a larger one saves less than 1&nbsp;%%.</p>",
	    cgr_format_count(c->accesses, accesses, sizeof accesses),
	    cgr_format_bytes(c->pages > INT64_MAX / CGR_PAGE_BYTES ? CGR_UNLIMITED : c->pages * CGR_PAGE_BYTES, all,
	                     sizeof all),
	    c->sampled ? " (counted on a sample)" : "", first_ppm / 10000, first_ppm / 1000 % 10,
	    cgr_format_bytes(enough_bytes(c), enough, sizeof enough));
}

void cgr_html_curves(struct cgr_strbuf *out, const struct cgr_result *result, const struct cgr_result *source)
{
	size_t shown = 0;

	for (int pass = 0; pass < 2; pass++) /* what was asked about first */
		for (size_t i = 0; i < source->curves && shown < CURVES_SHOWN; i++) {
			const struct cgr_result_curve *c = &source->curve[i];
			uint32_t cgroup = cgr_facts_cgroup(result, source->cgroup_path[c->cgroup]);

			if (c->count < 2 || cgroup >= result->cgroups || cgr_facts_changed(result, cgroup) != (pass == 0) ||
			    (result->changes > 0 && !cgr_facts_concerned(result, cgroup)))
				continue;
			if (shown++ == 0)
				cgr_strbuf_printf(
				    out, "<section class=\"card curves\"><h2>Misses of the page cache by its size</h2>"
				         "<p class=note>Recorded look-ups of file pages replayed through a least-recently-used "
				         "cache of every size. A limit holds anonymous memory beside the cache.</p>"
				         "<div class=grid2>");
			cgr_strbuf_printf(out, "<figure><figcaption>");
			cgr_text_html(out, result->cgroup_path[cgroup]);
			cgr_strbuf_printf(out, "</figcaption>");
			put_svg(out, result, c, cgroup);
			put_words(out, c);
			cgr_strbuf_printf(out, "</figure>");
		}
	if (shown > 0)
		cgr_strbuf_printf(out, "</div></section>\n");
}
