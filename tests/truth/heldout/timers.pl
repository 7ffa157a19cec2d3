# An interval timer that ticks on while the work between two sleeps has lengths of its own; ends after so many rounds.
use strict;
use warnings;
use Time::HiRes qw(setitimer ITIMER_REAL nanosleep);
my ($ticks, $sum) = (0, 0);
$SIG{ALRM} = sub { $ticks++; $sum += $_ for 1 .. 9000 };
setitimer(ITIMER_REAL, 0.007, 0.007);
srand(11);
for (1 .. 300) {
	$sum += $_ * $_ for 1 .. int(20000 + rand(60000));
	nanosleep(1_000_000 + int(rand(6_000_000))) if $_ % 3;
}
setitimer(ITIMER_REAL, 0);
