/* Run-queue timeline: a treap ordered by (key, arrival), so equal keys are served first come first served, as the
 * kernel's rb_add does. Augmented with the smallest vruntime and the smallest and largest slice of each subtree,
 * which is what the EEVDF choice prunes by (kernel: __enqueue_entity, min_vruntime_update). */
#include "model/lib/fair.h"

static bool before(const struct cgr_fair_entity *a, const struct cgr_fair_entity *b)
{
	return a->key != b->key ? a->key - b->key < 0 : a->order < b->order;
}

static void pull_child(struct cgr_fair_entity *se, const struct cgr_fair_entity *child)
{
	if (!child)
		return;
	if (child->min_vruntime - se->min_vruntime < 0)
		se->min_vruntime = child->min_vruntime;
	if (child->min_slice < se->min_slice)
		se->min_slice = child->min_slice;
	if (child->max_slice > se->max_slice)
		se->max_slice = child->max_slice;
}

static void pull(struct cgr_fair_entity *se)
{
	se->min_vruntime = se->vruntime;
	se->min_slice = se->max_slice = se->slice_ns;
	pull_child(se, se->left);
	pull_child(se, se->right);
}

static void split(struct cgr_fair_entity *tree, const struct cgr_fair_entity *at, struct cgr_fair_entity **ret_left,
                  struct cgr_fair_entity **ret_right)
{
	if (!tree) {
		*ret_left = *ret_right = NULL;
		return;
	}
	if (before(tree, at)) {
		split(tree->right, at, &tree->right, ret_right);
		*ret_left = tree;
	} else {
		split(tree->left, at, ret_left, &tree->left);
		*ret_right = tree;
	}
	pull(tree);
}

static struct cgr_fair_entity *merge(struct cgr_fair_entity *left, struct cgr_fair_entity *right)
{
	if (!left)
		return right;
	if (!right)
		return left;
	if (left->priority > right->priority) {
		left->right = merge(left->right, right);
		pull(left);
		return left;
	}
	right->left = merge(left, right->left);
	pull(right);
	return right;
}

static struct cgr_fair_entity *insert(struct cgr_fair_entity *tree, struct cgr_fair_entity *se)
{
	if (!tree || se->priority > tree->priority) {
		split(tree, se, &se->left, &se->right);
		pull(se);
		return se;
	}
	if (before(se, tree))
		tree->left = insert(tree->left, se);
	else
		tree->right = insert(tree->right, se);
	pull(tree);
	return tree;
}

static struct cgr_fair_entity *remove_from(struct cgr_fair_entity *tree, struct cgr_fair_entity *se)
{
	if (tree == se)
		return merge(se->left, se->right);
	if (before(se, tree))
		tree->left = remove_from(tree->left, se);
	else
		tree->right = remove_from(tree->right, se);
	pull(tree);
	return tree;
}

static void refresh(struct cgr_fair_entity *tree, struct cgr_fair_entity *se)
{
	if (tree != se)
		refresh(before(se, tree) ? tree->left : tree->right, se);
	pull(tree);
}

void cgr_timeline_insert(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, int64_t key)
{
	se->key = key;
	se->order = ++queue->orders;
	queue->tree_seed = queue->tree_seed * 1664525u + 1013904223u;
	se->priority = queue->tree_seed ^ (queue->tree_seed >> 15);
	se->left = se->right = NULL;
	se->in_tree = true;
	queue->root = insert(queue->root, se);
	if (!queue->leftmost || before(se, queue->leftmost))
		queue->leftmost = se;
}

void cgr_timeline_remove(struct cgr_fair_queue *queue, struct cgr_fair_entity *se)
{
	queue->root = remove_from(queue->root, se);
	se->left = se->right = NULL;
	se->in_tree = false;
	if (queue->leftmost != se)
		return;
	struct cgr_fair_entity *first = queue->root;
	while (first && first->left)
		first = first->left;
	queue->leftmost = first;
}

void cgr_timeline_refresh(struct cgr_fair_queue *queue, struct cgr_fair_entity *se)
{
	if (se->in_tree)
		refresh(queue->root, se);
}

struct cgr_fair_entity *cgr_timeline_second(struct cgr_fair_queue *queue)
{
	struct cgr_fair_entity *best = NULL;
	for (struct cgr_fair_entity *at = queue->root; at;) {
		if (at == queue->leftmost) {
			at = at->right;
			continue;
		}
		best = at;
		at = at->left;
	}
	return best;
}

static const struct cgr_fair_entity *running(const struct cgr_fair_queue *queue)
{
	return queue->curr && queue->curr->on_rq ? queue->curr : NULL;
}

uint64_t cgr_timeline_min_slice(const struct cgr_fair_queue *queue)
{
	const struct cgr_fair_entity *curr = running(queue);
	uint64_t slice_ns = curr ? curr->slice_ns : UINT64_MAX;
	if (queue->root && queue->root->min_slice < slice_ns)
		slice_ns = queue->root->min_slice;
	return slice_ns;
}

uint64_t cgr_timeline_max_slice(const struct cgr_fair_queue *queue)
{
	const struct cgr_fair_entity *curr = running(queue);
	uint64_t slice_ns = curr ? curr->slice_ns : 0;
	if (queue->root && queue->root->max_slice > slice_ns)
		slice_ns = queue->root->max_slice;
	return slice_ns;
}

static const char *check_tree(const struct cgr_fair_entity *se, uint32_t depth)
{
	if (!se)
		return NULL;
	if (depth > 200)
		return "timeline: deeper than any balanced tree";
	if ((se->left && !before(se->left, se)) || (se->right && !before(se, se->right)))
		return "timeline: order broken";
	if (se->left && se->left->min_vruntime - se->min_vruntime < 0)
		return "timeline: min_vruntime of a subtree is stale";
	if (se->right && se->right->min_vruntime - se->min_vruntime < 0)
		return "timeline: min_vruntime of a subtree is stale";
	const char *wrong = check_tree(se->left, depth + 1);
	return wrong ? wrong : check_tree(se->right, depth + 1);
}

const char *cgr_timeline_check(const struct cgr_fair_queue *queue)
{
	const struct cgr_fair_entity *first = queue->root;
	while (first && first->left)
		first = first->left;
	if (first != queue->leftmost)
		return "timeline: leftmost is not the first";
	return check_tree(queue->root, 0);
}
