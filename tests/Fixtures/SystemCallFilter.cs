using System.Globalization;

namespace Bitflow.Tests.Fixtures;

/// <summary>A launcher that starts the program with a system call refused, as a container's seccomp filter does.</summary>
internal static class SystemCallFilter
{
    /// <param name="call">One that the script knows.</param>
    /// <param name="errno">What it is answered with.</param>
    /// <param name="from">The first descriptor for which it is refused.</param>
    public static string[] Refusing(string call, int errno, int from = 0) =>
    [
        "python3", Path.Combine(Repository.Root, "tests/Fixtures/with_a_call_refused.py"),
        call, errno.ToString(CultureInfo.InvariantCulture), from.ToString(CultureInfo.InvariantCulture),
    ];
}
