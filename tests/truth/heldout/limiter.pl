# Lets through so many bytes a second, as pv -L does: reads, sleeps until their time has come, writes.
use strict;
use warnings;
use Time::HiRes qw(time sleep);
my ($rate, $piece) = @ARGV;
my ($start, $done) = (time, 0);
binmode STDIN;
binmode STDOUT;
while (my $n = sysread STDIN, my $buffer, $piece) {
	$done += $n;
	my $left = $start + $done / $rate - time;
	sleep $left if $left > 0;
	syswrite STDOUT, $buffer;
}
