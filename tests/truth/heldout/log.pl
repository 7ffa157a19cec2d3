# A log that is written line by line, synced every so often and rotated; the oldest of four is removed.
use strict;
use warnings;
use IO::Handle;
my ($name, $mib) = @ARGV;
my ($written, $since, $n) = (0, 0, 0);
open my $log, '>', $name or die "$name: $!";
while ($written < $mib << 20) {
	my $line = sprintf "%08d %s\n", $n++, 'a line as services write them, ' x (1 + $n % 7);
	print $log $line;
	$written += length $line;
	$since += length $line;
	if ($n % 800 == 0) {
		$log->flush;
		$log->sync;
	}
	next if $since < 4 << 20;
	close $log;
	unlink "$name.3";
	for my $i (2, 1) { rename "$name.$i", "$name." . ($i + 1) if -e "$name.$i" }
	rename $name, "$name.1";
	open $log, '>', $name or die "$name: $!";
	$since = 0;
}
close $log;
unlink glob "$name*";
