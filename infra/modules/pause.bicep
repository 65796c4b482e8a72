// Nothing. Deployed several times in a row it lets time pass, until Azure knows everywhere what was made a moment ago.
// Azure's own landing zones wait in this way: avm/ptn/alz/empty of https://github.com/Azure/bicep-registry-modules.
// What takes longer is tried again by scripts/deploying/template.py.
