# Three processes of random bursts and sleeps: fixed work, no clock.
use strict;
use warnings;
use Time::HiRes qw(usleep);
my @children;
for my $seed (1 .. 3) {
	my $pid = fork() // die "fork: $!";
	if ($pid) { push @children, $pid; next }
	srand($seed);
	for (1 .. 220) {
		my ($steps, $sum) = (int(-log(rand() + 1e-9) * 9000), 0);
		$sum += $_ * $_ for 1 .. $steps;
		usleep(int(-log(rand() + 1e-9) * 4000));
	}
	exit 0;
}
waitpid($_, 0) for @children;
