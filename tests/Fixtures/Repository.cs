using System.Runtime.InteropServices;

namespace Bitflow.Tests.Fixtures;

/// <summary>Where things are in a checkout.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    /// <summary>
    /// The built program: what BITFLOW_BINARY names, else what `make` built, else the build of the solution beside these tests.
    /// </summary>
    public static string Binary { get; } = FindBinary();

    private static string FindRoot()
    {
        for (DirectoryInfo? directory = new(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            if (File.Exists(Path.Combine(directory.FullName, "Bitflow.sln")))
                return directory.FullName;
        }

        throw new InvalidOperationException("these tests run inside a checkout of the repository");
    }

    private static string FindBinary()
    {
        string architecture = RuntimeInformation.OSArchitecture == Architecture.Arm64 ? "arm64" : "x64";
        string[] candidates =
        [
            Environment.GetEnvironmentVariable("BITFLOW_BINARY") ?? "",
            Path.Combine(Root, "bin", $"bitflow-linux-{architecture}"),
            Path.Combine(Root, "src/Bitflow.App/bin/Debug/net10.0/bitflow"),
        ];
        return candidates.FirstOrDefault(File.Exists) ?? throw new InvalidOperationException("there is no built program: run make first");
    }
}
