// An event loop with timers and garbage to collect; ends after so many turns.
let turns = 0
const turn = () => {
	const rows = []
	for (let i = 0; i < 9000; i++) rows.push({ a: i, b: 'x' + i })
	JSON.parse(JSON.stringify(rows))
	if (++turns < 130) setTimeout(turn, 5)
}
turn()
