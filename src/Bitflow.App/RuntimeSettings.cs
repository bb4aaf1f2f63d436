namespace Bitflow.App;

/// <summary>
/// How the runtime is to work, set by the program itself so that nobody needs to know an environment variable. What each is worth, and
/// those that belong into the project file, stand in docs/decisions/0010-runtime-settings.md.
/// </summary>
internal static class RuntimeSettings
{
    /// <summary>Debian's name for the home of those who have none; nothing is to be there, and nothing is ever written there.</summary>
    private const string NoHome = "/nonexistent";

    /// <summary>
    /// To be called before anything is verified: no chain of certificates is built without a home, where the runtime looks for the user's own
    /// authorities. A service's dynamic user has none, and where libnss-systemd is missing nobody else knows of one either. One that is not there
    /// holds no authorities, which is what such a user has.
    /// </summary>
    public static void ApplyBeforeCertificates()
    {
        if (OperatingSystem.IsLinux() && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("HOME")))
            Environment.SetEnvironmentVariable("HOME", NoHome);
    }

    /// <summary>
    /// To be called before a socket first waits for something, which is when the platform asks for these: the portable engine's completions run on the threads that wait for the sockets, one a core,
    /// which saves a hop to the thread pool and back for every one of them. This holds for every socket of the process, so where the
    /// Linux engine carries the connections it is left alone: those of metrics and reports then need nothing but the pool.
    /// </summary>
    public static void ApplyBeforeSockets(bool managedEngine)
    {
        if (!managedEngine)
            return;
        SetUnlessGiven("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");
        SetUnlessGiven("DOTNET_SYSTEM_NET_SOCKETS_THREAD_COUNT", Environment.ProcessorCount.ToString(System.Globalization.CultureInfo.InvariantCulture));
    }

    private static void SetUnlessGiven(string name, string value)
    {
        if (Environment.GetEnvironmentVariable(name) is null)
            Environment.SetEnvironmentVariable(name, value);
    }
}
