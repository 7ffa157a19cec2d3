#!/bin/bash
# A C file of some weight for the compiler, the same every time: make-source.sh NUMBER
n=$1
echo '#include <stdio.h>'
echo '#include <stdlib.h>'
echo '#include <string.h>'
for ((i = 0; i < 60; i++)); do
	cat <<C
static unsigned step_${n}_$i(unsigned x, const unsigned char *p, unsigned length)
{
	for (unsigned i = 0; i < length; i++)
		switch (p[i] % 7) {
		case 0: x = x * $((i * 2 + 3))u + p[i]; break;
		case 1: x ^= x >> $((i % 13 + 1)); break;
		case 2: x = (x << $((i % 7 + 1))) | (x >> $((31 - i % 7))); break;
		case 3: for (unsigned j = 0; j < 8; j++) x += p[(i + j) % length] * (j + $i); break;
		case 4: x -= (unsigned)strlen((const char *)p) * $n; break;
		default: x = x / 3 + $((i * n)); break;
		}
	return x;
}
C
done
echo "unsigned run_$n(unsigned x, const unsigned char *p, unsigned length) {"
for ((i = 0; i < 60; i++)); do echo "	x = step_${n}_$i(x, p, length);"; done
echo '	return x; }'
