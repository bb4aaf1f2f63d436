using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Bitflow.Bench.Proxies;

namespace Bitflow.Bench;

/// <summary>What a result was measured on, and with which versions.</summary>
internal static class Machine
{
    /// <summary>Model of the processor, cores, memory, kernel: no host name.</summary>
    public static string Describe()
    {
        string model = First("/proc/cpuinfo", "model name") ?? RuntimeInformation.ProcessArchitecture.ToString();
        double gibibytes = double.Parse((First("/proc/meminfo", "MemTotal") ?? "0 kB").Split(' ')[0], CultureInfo.InvariantCulture) / 1048576;
        string kernel = File.ReadAllText("/proc/sys/kernel/osrelease").Trim();
        return string.Create(
            CultureInfo.InvariantCulture, $"{model}, {Environment.ProcessorCount} cores, {gibibytes:F0} GiB, Linux {kernel}");
    }

    /// <summary>The load average of the last minute: what else the machine is doing, before the bench adds to it.</summary>
    public static double OtherLoad() =>
        double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0], CultureInfo.InvariantCulture);

    /// <summary>The versions of those who entered, as they print them.</summary>
    public static string Versions(IEnumerable<Contender> contenders) =>
        string.Join(", ", contenders.Where(each => each.Locate() is not null).Select(VersionOf).Distinct());

    private static string VersionOf(Contender contender)
    {
        using Process process = Process.Start(new ProcessStartInfo(contender.Locate()!, contender.VersionArgument)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string text = process.StandardOutput.ReadToEnd() + " " + errors.Result;
        process.WaitForExit();
        string? version = text.Split([' ', '/', '\n', ','], StringSplitOptions.RemoveEmptyEntries)
            .FirstOrDefault(word => word.Contains('.', StringComparison.Ordinal) && char.IsDigit(word[0]));
        return $"{Path.GetFileName(contender.Program).Replace("-linux-x64", "", StringComparison.Ordinal)} {version}";
    }

    private static string? First(string file, string key) =>
        File.ReadLines(file).FirstOrDefault(line => line.StartsWith(key, StringComparison.Ordinal))?.Split(':', 2)[1].Trim();
}
